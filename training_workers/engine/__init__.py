"""The engine: one base in memory, every expert a LoRA adapter on it. Imports no Django."""

"""The arithmetic behind what people see: layouts, axes, words and number formats. Imports no Django."""

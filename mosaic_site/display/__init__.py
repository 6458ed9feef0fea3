"""The arithmetic behind what people see: layouts, axes, number formats. Imports no Django."""

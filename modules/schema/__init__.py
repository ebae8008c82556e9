"""The ground floor: everything that can be asked for or answered, declared once. Standard library only."""

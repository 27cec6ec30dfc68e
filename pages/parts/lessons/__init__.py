"""What the Learn page shows beside its text: something to move for each topic, and the glossary."""

"""Small things to draw; browser components stand beside their .js and .css."""

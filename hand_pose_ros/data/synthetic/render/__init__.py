"""How a hand becomes a picture: surface, skin, light, OpenGL."""

"""What is behind the hands: procedural places, or photographs."""

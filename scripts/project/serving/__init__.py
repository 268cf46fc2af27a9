"""What happens while the application serves: what runs where, what waits, what fails, where input goes."""

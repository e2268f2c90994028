"""What runs: models, where they come from, and the questions asked of them."""

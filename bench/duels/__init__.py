"""What a duel is worth: equal sides for its false alarms, and real extra work planted in one side."""

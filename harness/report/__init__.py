"""What people see: tables and pages made from records. No torch here."""

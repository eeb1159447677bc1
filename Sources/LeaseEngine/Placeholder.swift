enum LeaseEnginePlaceholder {}

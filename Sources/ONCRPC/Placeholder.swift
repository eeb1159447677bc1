enum ONCRPCPlaceholder {}

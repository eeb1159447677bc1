import Testing
@Test func placeholderLayoutXDR() {}

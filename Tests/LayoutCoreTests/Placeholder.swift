import Testing
@Test func placeholderLayoutCore() {}

import Testing
@Test func placeholderS() {}

import Testing
@Test func placeholderLayoutHolder() {}

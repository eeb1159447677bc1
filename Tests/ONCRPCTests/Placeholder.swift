import Testing
@Test func placeholderONCRPC() {}

import Testing
@Test func placeholderSessions() {}

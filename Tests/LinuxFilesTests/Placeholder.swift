import Testing
@Test func placeholderLinuxFiles() {}

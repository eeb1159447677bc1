import Testing
@Test func placeholderMappedWindows() {}

import Testing
@Test func placeholderLeaseEngine() {}

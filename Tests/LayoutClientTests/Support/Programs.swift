import TestSupport

/// A program of this package, beside the tests.
func program(_ name: String) -> String {
    let tests = CommandLine.arguments[0]
    let directory = tests.lastIndex(of: "/").map { String(tests[..<$0]) } ?? "."
    return "\(directory)/\(name)"
}

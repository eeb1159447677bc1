import Glibc

/// The path of a program of this package, built beside the tests.
///
/// - Throws: ``TestFailure`` if it is not there: the test target has to depend on it.
package func builtProgram(_ name: String) throws -> String {
    let runner = try linkTarget("/proc/self/exe")
    // The tests run inside the toolchain's runner, or as a program of their own beside the others.
    let places = [runner] + CommandLine.arguments.filter { $0.contains(".xctest") }
    let folders = places.map { "/" + $0.split(separator: "/").dropLast().joined(separator: "/") }
    for folder in folders where unsafe access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
    throw TestFailure("no '\(name)' in \(folders.joined(separator: " or ")): build the package first")
}

private func linkTarget(_ path: String) throws -> String {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        guard let base = unsafe bytes.bindMemory(to: CChar.self).baseAddress else { return -1 }
        return unsafe readlink(path, base, bytes.count)
    }
    guard count > 0 else { throw TestFailure("cannot read \(path): errno \(errno)") }
    return String(decoding: buffer[..<count], as: UTF8.self)
}

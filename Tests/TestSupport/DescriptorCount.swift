import Glibc

/// How many descriptors of this process refer to the file at `path`, from `/proc/self/fd`.
///
/// Counts one file only, as other tests open and close theirs meanwhile.
package func openDescriptorCount(to path: String) -> Int {
    guard let directory = unsafe opendir("/proc/self/fd") else { return -1 }
    defer { unsafe closedir(directory) }
    var count = 0
    while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
        guard let number = CInt(String(decoding: name, as: UTF8.self)) else { continue }
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = unsafe readlink("/proc/self/fd/\(number)", &target, target.count)
        guard length > 0 else { continue }
        if String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) == path { count += 1 }
    }
    return count
}

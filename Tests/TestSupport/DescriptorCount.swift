import Glibc

/// How many descriptors this process has open, from `/proc/self/fd`.
package func openDescriptorCount() -> Int {
    guard let directory = unsafe opendir("/proc/self/fd") else { return -1 }
    defer { unsafe closedir(directory) }
    var count = 0
    while unsafe readdir(directory) != nil { count += 1 }
    // Without `.`, `..` and the descriptor of the listing itself.
    return count - 3
}

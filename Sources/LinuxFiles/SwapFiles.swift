import CLinuxFiles
import Glibc
import LayoutCore

/// The files that the host swaps to: their blocks must stay where they are (`swapon(2)`).
enum SwapFiles {
    /// Whether a file is one of them, as `/proc/swaps` says; a host without that file has none.
    ///
    /// Swap files whose path does not lead to them from here (another mount namespace) are not found; the kernel then
    /// refuses the change itself, with ETXTBSY.
    static func contain(_ facts: FileFacts) throws(LinuxError) -> Bool {
        let text: [UInt8]
        do throws(LinuxError) {
            text = try Host.readSmallFile("/proc/swaps", limit: 16384)
        } catch {
            guard error.errno == ENOENT else { throw error }
            return false
        }
        // The first line is a heading; most hosts have no second one.
        for line in text.split(separator: UInt8(ascii: "\n")).dropFirst() {
            guard let name = line.split(separator: UInt8(ascii: " ")).first else { continue }
            let path = Self.unescaped(name) + [0]
            // A device, or a path that this process cannot see: not this file, as far as can be told.
            guard let swap = try? FileFacts(directory: AT_FDCWD, name: path, "look at a swap file") else { continue }
            if swap.inode == facts.inode, swap.device == facts.device { return true }
        }
        return false
    }

    /// The path without the kernel's octal escapes (`\040` for a space).
    static func unescaped(_ name: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = name
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) })
            {
                result.append(digits.reduce(0) { $0 &* 8 &+ ($1 - UInt8(ascii: "0")) })
                rest = rest.dropFirst(3)
            } else {
                result.append(byte)
            }
        }
        return result
    }
}

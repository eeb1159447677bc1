import ArgumentParser

/// A number of bytes as people write it: `4096`, `64K`, `4M`, `1G`, `2T`.
struct ByteSize: ExpressibleByArgument, Hashable, Sendable {
    var bytes: UInt64

    init(_ bytes: UInt64) { self.bytes = bytes }

    init?(argument: String) {
        let units: [Character: UInt64] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40]
        var digits = Substring(argument)
        var unit: UInt64 = 1
        if let last = argument.lowercased().last, let factor = units[last] {
            unit = factor
            digits = digits.dropLast()
        }
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt64(digits) else {
            return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow, bytes <= UInt64(Int64.max) else { return nil }
        self.bytes = bytes
    }

    /// The number with the largest unit that it is a whole multiple of.
    static func exact(_ bytes: UInt64) -> String {
        for (name, shift) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)]
        where bytes >= 1 << UInt64(shift) && bytes % (1 << UInt64(shift)) == 0 {
            return "\(bytes >> UInt64(shift))\(name)"
        }
        return "\(bytes)"
    }

    /// The number to three digits.
    static func rounded(_ bytes: UInt64) -> String {
        for (name, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes >= 1 << UInt64(shift) {
            let tenths = (Double(bytes) / Double(1 << UInt64(shift)) * 10).rounded() / 10
            return "\(tenths) \(name)"
        }
        return "\(bytes) bytes"
    }
}

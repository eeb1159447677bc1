import LayoutCore

extension ExtentFingerprint {
    /// The version of the form; a later one gets another number.
    private static var version: UInt8 { 1 }

    /// The fingerprint as bytes, to be kept with the change's intent: at most about 1.2 KB.
    package var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.put(Self.version)
        writer.put(UInt8(self.shift.isInsert ? 1 : 0) | (self.isComplete ? 2 : 0))
        writer.put(self.shift.offset)
        writer.put(self.shift.length)
        writer.put(self.size)
        writer.put(self.tail)
        writer.put(UInt8(self.windows.count))
        for window in self.windows {
            writer.put(UInt16(window.count))
            writer.put(window.first?.range.lowerBound ?? 0)
            for extent in window {
                writer.put(extent.range.upperBound)
                writer.put(extent.storageOffset)
                writer.put(UInt8(extent.state.rawValue))
            }
        }
        return writer.bytes
    }

    /// Takes ``bytes`` apart; `nil` for bytes that are not a fingerprint, whatever they are.
    package init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.number(UInt8.self) == Self.version, let flags = reader.number(UInt8.self), flags <= 3,
            let offset = reader.number(UInt64.self), let length = reader.number(UInt64.self),
            let size = reader.number(UInt64.self), let tail = reader.number(UInt64.self),
            let count = reader.number(UInt8.self), count <= Self.windowsMax
        else { return nil }
        let shift = Shift(isInsert: flags & 1 != 0, offset: offset, length: length)
        let isComplete = flags & 2 != 0
        guard let range = ShiftedRange(shift, size: size), range.moving.lowerBound...size ~= tail else { return nil }
        var windows: [Window] = []
        for _ in 0..<count {
            guard let window = Self.window(&reader, within: range.affected) else { return nil }
            windows.append(window)
        }
        // "Complete" is a promise that the comparison relies on.
        if isComplete, let window = windows.first {
            guard windows.count == 1, window.first?.range.lowerBound == offset, window.last?.range.upperBound == size
            else { return nil }
        }
        guard reader.isAtEnd else { return nil }
        self.init(shift: shift, size: size, tail: tail, windows: windows, isComplete: isComplete)
    }

    private static func window(_ reader: inout ByteReader, within range: ByteRange) -> Window? {
        // One more than was read: the last one may be cut where the file's last block begins.
        guard let count = reader.number(UInt16.self), 1...(Self.limit + 1) ~= Int(count),
            var position = reader.number(UInt64.self), position >= range.lowerBound
        else { return nil }
        var window: Window = []
        for _ in 0..<count {
            guard let end = reader.number(UInt64.self), end <= range.upperBound, let run = ByteRange(position, end),
                let place = reader.number(UInt64.self), let number = reader.number(UInt8.self),
                let state = ExtentState(rawValue: UInt32(number))
            else { return nil }
            window.append(Extent(range: run, storageOffset: place, state: state))
            position = end
        }
        return window
    }
}

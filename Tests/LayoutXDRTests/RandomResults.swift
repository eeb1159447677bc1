import LayoutCore
import LayoutXDR

extension SeededGenerator {
    mutating func readDirectoryResult() -> ReadDirectoryResult {
        let entries = self.array(upTo: ProtocolLimits.entries) { random in
            DirectoryEntry(
                cookie: random.number(),
                fileNumber: random.number(),
                type: random.element([.regular, .directory, .fifo]),
                size: random.number(),
                name: random.bytes(upTo: ProtocolLimits.name)
            )
        }
        return ReadDirectoryResult(entries: entries, isAtEnd: self.bool())
    }

    mutating func deviceInfo() -> DeviceInfo {
        guard self.bool() else { return .device }
        let bootID = (0..<ProtocolLimits.bootID).map { _ in UInt8.random(in: 0...255, using: &self) }
        return .file(bootID: bootID, descriptorSocket: self.path())
    }

    mutating func grant() -> LayoutGetResult {
        let extents = self.extents()
        let shifts = self.bool() ? self.shifts() : nil
        let (first, last) = (extents[0].range, extents[extents.count - 1].range)
        return LayoutGetResult(
            stateID: self.stateID(),
            range: first.hull(last),
            ioMode: self.ioMode(),
            returnOnClose: self.bool(),
            device: DeviceID(self.opaque()),
            token: DescriptorToken(self.opaque()),
            capabilities: LayoutCapabilities(rawValue: self.number()),
            fileSize: self.number(),
            epoch: max(shifts?.last?.epoch ?? 0, self.number()),
            shifts: shifts,
            extents: extents
        )
    }

    /// Sorted and without gaps; the last one may go on to the end.
    ///
    /// Sometimes as many as one reply can carry.
    private mutating func extents() -> [Extent] {
        let isFull = Int.random(in: 0..<100, using: &self) == 0
        let count = isFull ? ProtocolLimits.extents : Int.random(in: 1...6, using: &self)
        var offset = UInt64.random(in: 0...(1 << 50), using: &self)
        var extents: [Extent] = []
        for index in 0..<count {
            let end = offset + UInt64.random(in: 1...(1 << 40), using: &self)
            let state: ExtentState = self.element([.data, .unwritten, .hole])
            let isToEnd = index == count - 1 && self.bool()
            guard let range = ByteRange(offset, isToEnd ? .max : end) else { break }
            extents.append(
                Extent(
                    range: range,
                    storageOffset: state == .hole ? 0 : UInt64.random(in: 0...(1 << 60), using: &self),
                    state: state
                )
            )
            offset = end
        }
        return extents
    }

    private mutating func shifts() -> [LoggedShift] {
        var epoch: UInt64 = 1
        return self.array(upTo: ProtocolLimits.shifts) { random in
            epoch += UInt64.random(in: 1...3, using: &random)
            let offset = UInt64.random(in: 0...(1 << 62), using: &random)
            let length = UInt64.random(in: 1...(1 << 62), using: &random)
            return LoggedShift(epoch: epoch, shift: Shift(isInsert: random.bool(), offset: offset, length: length))
        }
    }

    mutating func recall() -> LayoutRecall {
        LayoutRecall(
            id: RecallID(self.number()),
            handle: self.handle(),
            stateID: self.stateID(),
            ioMode: self.selector(),
            range: self.range(),
            reason: self.bool() ? .write : .unmap,
            operation: self.operation(),
            operationRange: self.range(),
            deadlineMilliseconds: self.number(),
            requester: self.client(),
            requesterPID: self.number(),
            requesterCommand: self.text(upTo: ProtocolLimits.name)
        )
    }
}

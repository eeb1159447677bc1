import LayoutCore
import LayoutXDR

extension SeededGenerator {
    mutating func opaque() -> Opaque16 { Opaque16(low: self.number(), high: self.number()) }

    mutating func session() -> SessionID { SessionID(self.opaque()) }

    mutating func client() -> ClientID { ClientID(self.number()) }

    mutating func handle() -> FileHandle { FileHandle(low: self.opaque(), high: self.opaque()) }

    mutating func stateID() -> StateID {
        StateID(seqid: self.number(), other: StateIDOther(number: self.number(), boot: self.number()))
    }

    mutating func path() -> [UInt8] { self.bytes(upTo: ProtocolLimits.path) }

    /// Mostly little, sometimes as much as one call can carry.
    mutating func data() -> [UInt8] {
        guard Int.random(in: 0..<200, using: &self) == 0 else { return self.bytes(upTo: 40) }
        return [UInt8](repeating: UInt8.random(in: 0...255, using: &self), count: ProtocolLimits.io)
    }

    mutating func range() -> ByteRange {
        while true {
            if let range = ByteRange(offset: self.number(), length: self.number()) { return range }
        }
    }

    mutating func operation() -> MappingOperation { self.element(MappingOperation.allCases) }

    mutating func ioMode() -> IOMode { self.bool() ? .read : .readWrite }

    mutating func selector() -> IOModeSelector { self.element([.read, .readWrite, .any]) }

    /// Known or not, but never OK.
    mutating func failureStatus() -> LayoutStatus {
        let status: LayoutStatus =
            self.bool() ? self.element([.delay, .grace, .recallConflict, .badSession]) : .ioError
        return self.bool() ? status : LayoutStatus(rawValue: max(1, self.number()))
    }

    mutating func time() -> FileTime { FileTime(seconds: self.signed(), nanoseconds: self.number()) }

    mutating func attributes() -> FileAttributes {
        FileAttributes(
            type: self.element([.regular, .directory, .blockDevice, .characterDevice, .symbolicLink, .socket, .fifo]),
            mode: self.number(),
            linkCount: self.number(),
            uid: self.number(),
            gid: self.number(),
            blockSize: self.number(),
            flags: FileFlags(rawValue: self.number()),
            fileNumber: self.number(),
            size: self.number(),
            used: self.number(),
            change: self.number(),
            epoch: self.number(),
            accessTime: self.time(),
            modificationTime: self.time(),
            changeTime: self.time()
        )
    }

    mutating func array<Element>(upTo limit: Int, _ make: (inout SeededGenerator) -> Element) -> [Element] {
        var result: [Element] = []
        for _ in 0..<self.count(upTo: limit) { result.append(make(&self)) }
        return result
    }
}

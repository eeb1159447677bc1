import CLayoutXDR
import CTIRPC
import LayoutCore

extension LayoutGetResult {
    /// Checks everything that a client relies on: a server may be hostile.
    init(_ wire: ll_layout_resok) throws(CodecError) {
        let range = try ByteRange(wire: unsafe wire.offset, unsafe wire.length, "ll_layout_resok")
        let epoch = UInt64(unsafe wire.epoch)
        self.init(
            stateID: StateID(wire: unsafe wire.stateid),
            range: range,
            ioMode: try IOMode(wire: unsafe wire.iomode.rawValue, "ll_iomode"),
            returnOnClose: Bool(wire: unsafe wire.return_on_close),
            device: DeviceID(Opaque16(wire: unsafe wire.deviceid)),
            token: DescriptorToken(Opaque16(wire: unsafe wire.token)),
            capabilities: LayoutCapabilities(rawValue: unsafe wire.capabilities),
            fileSize: UInt64(unsafe wire.file_size),
            epoch: epoch,
            shifts: unsafe try Self.shifts(wire, upTo: epoch),
            extents: unsafe try Self.extents(wire, covering: range)
        )
    }

    func wire(_ arena: inout WireArena) -> ll_layout_resok {
        precondition(self.extents.count <= ProtocolLimits.extents, "\(self.extents.count) extents in one grant")
        let shifts = self.shifts ?? []
        precondition(shifts.count <= ProtocolLimits.shifts, "\(shifts.count) shifts in one grant")

        var wire = unsafe ll_layout_resok()
        unsafe wire.stateid = self.stateID.wire
        unsafe (wire.offset, wire.length) = self.range.wire
        unsafe wire.iomode = ll_iomode(rawValue: self.ioMode.rawValue)
        unsafe wire.return_on_close = self.returnOnClose.wire
        unsafe wire.deviceid = self.device.rawValue.wire
        unsafe wire.token = self.token.rawValue.wire
        unsafe wire.capabilities = self.capabilities.rawValue
        unsafe wire.file_size = UInt(self.fileSize)
        unsafe wire.epoch = UInt(self.epoch)
        unsafe wire.shifts_known = (self.shifts != nil).wire
        unsafe (wire.shifts.shifts_val, wire.shifts.shifts_len) = arena.array(shifts) { shift, _ in shift.wire }
        unsafe (wire.extents.extents_val, wire.extents.extents_len) = arena.array(self.extents) { extent, _ in
            extent.wire
        }
        return unsafe wire
    }

    /// The shifts, which must be in the order of their epochs and lead no further than the grant's.
    private static func shifts(_ wire: ll_layout_resok, upTo last: UInt64) throws(CodecError) -> [LoggedShift]? {
        guard unsafe wire.shifts_known != 0 else {
            guard unsafe wire.shifts.shifts_len == 0 else {
                throw CodecError("ll_layout_resok.shifts", .inconsistent("shifts, though shifts_known is false"))
            }
            return nil
        }
        var previous: UInt64 = 0
        return unsafe try [LoggedShift](wire: wire.shifts.shifts_val, wire.shifts.shifts_len) {
            (wire) throws(CodecError) in
            let shift = try LoggedShift(wire)
            guard previous < shift.epoch, shift.epoch <= last else {
                throw CodecError(
                    "ll_shift.epoch",
                    .inconsistent("epoch \(shift.epoch) after \(previous), in a grant of epoch \(last)")
                )
            }
            previous = shift.epoch
            return shift
        }
    }

    /// The extents, which must be sorted, without gaps and overlaps, and cover the granted range.
    private static func extents(_ wire: ll_layout_resok, covering range: ByteRange) throws(CodecError) -> [Extent] {
        var previous: ByteRange?
        let extents = unsafe try [Extent](wire: wire.extents.extents_val, wire.extents.extents_len) {
            (wire) throws(CodecError) in
            let extent = try Extent(wire)
            if let previous, previous.upperBound != extent.range.lowerBound {
                throw CodecError("ll_extent", .inconsistent("\(extent.range) does not follow \(previous)"))
            }
            previous = extent.range
            return extent
        }
        guard let first = extents.first, let last = extents.last, first.range.hull(last.range).contains(range) else {
            throw CodecError("ll_layout_resok.extents", .inconsistent("\(extents.count) extents do not cover \(range)"))
        }
        return extents
    }
}

extension LoggedShift {
    init(_ wire: ll_shift) throws(CodecError) {
        guard wire.operation == LL_OPERATION_INSERT_RANGE || wire.operation == LL_OPERATION_COLLAPSE_RANGE else {
            throw CodecError("ll_shift.operation", .unknownValue(wire.operation.rawValue))
        }
        // A shift's length is a number of bytes: "to the end" has no meaning here.
        guard let range = ByteRange(offset: UInt64(wire.offset), length: UInt64(wire.length)), !range.isToEnd else {
            throw CodecError("ll_shift", .badRange(offset: UInt64(wire.offset), length: UInt64(wire.length)))
        }
        self.init(
            epoch: UInt64(wire.epoch),
            shift: Shift(
                isInsert: wire.operation == LL_OPERATION_INSERT_RANGE,
                offset: UInt64(wire.offset),
                length: UInt64(wire.length)
            )
        )
    }

    var wire: ll_shift {
        ll_shift(
            epoch: UInt(self.epoch),
            operation: self.shift.isInsert ? LL_OPERATION_INSERT_RANGE : LL_OPERATION_COLLAPSE_RANGE,
            offset: UInt(self.shift.offset),
            length: UInt(self.shift.length)
        )
    }
}

extension Extent {
    init(_ wire: ll_extent) throws(CodecError) {
        let range = try ByteRange(wire: wire.offset, wire.length, "ll_extent")
        let state = try ExtentState(wire: wire.state.rawValue, "ll_extent_state")
        let storageOffset = UInt64(wire.storage_offset)
        // A hole has no place on storage.
        guard state == .hole || ByteRange(offset: storageOffset, length: range.wireLength) != nil else {
            throw CodecError("ll_extent.storage_offset", .badRange(offset: storageOffset, length: range.wireLength))
        }
        self.init(range: range, storageOffset: storageOffset, state: state)
    }

    var wire: ll_extent {
        let (offset, length) = self.range.wire
        return ll_extent(
            offset: offset,
            length: length,
            storage_offset: UInt(self.storageOffset),
            state: ll_extent_state(rawValue: self.state.rawValue)
        )
    }
}

import CLayoutXDR
import CTIRPC
import LayoutCore

extension ChangeArguments {
    init(_ wire: LL_CHANGEargs, _ operation: MappingOperation) {
        self.init(
            operation: operation,
            handle: FileHandle(wire: wire.fh),
            offset: UInt64(wire.offset),
            length: UInt64(wire.length),
            waitMilliseconds: wire.wait_ms,
            keepSize: Bool(wire: wire.keep_size)
        )
    }

    func wire(_ sequence: ll_sequence_args) -> LL_CHANGEargs {
        LL_CHANGEargs(
            sequence: sequence,
            fh: self.handle.wire,
            offset: UInt(self.offset),
            length: UInt(self.length),
            wait_ms: self.waitMilliseconds,
            keep_size: self.keepSize.wire
        )
    }
}

extension CloneArguments {
    init(_ wire: LL_CLONEargs) {
        self.init(
            source: FileHandle(wire: wire.source),
            sourceOffset: UInt64(wire.source_offset),
            handle: FileHandle(wire: wire.fh),
            offset: UInt64(wire.offset),
            length: UInt64(wire.length),
            waitMilliseconds: wire.wait_ms
        )
    }

    func wire(_ sequence: ll_sequence_args) -> LL_CLONEargs {
        LL_CLONEargs(
            sequence: sequence,
            source: self.source.wire,
            source_offset: UInt(self.sourceOffset),
            fh: self.handle.wire,
            offset: UInt(self.offset),
            length: UInt(self.length),
            wait_ms: self.waitMilliseconds
        )
    }
}

extension ChangeResult {
    init(_ wire: ll_change_resok) throws(CodecError) {
        self.init(
            size: UInt64(wire.size),
            change: UInt64(wire.change),
            epoch: UInt64(wire.epoch),
            stateID: try StateID.optional(wire.stateid, present: wire.layout_present, "ll_change_resok"),
            recalled: wire.recalled
        )
    }

    var wire: ll_change_resok {
        ll_change_resok(
            size: UInt(self.size),
            change: UInt(self.change),
            epoch: UInt(self.epoch),
            layout_present: (self.stateID != nil).wire,
            stateid: (self.stateID ?? .none).wire,
            recalled: self.recalled
        )
    }
}

extension ReadArguments {
    init(_ wire: LL_READargs) {
        self.init(handle: FileHandle(wire: wire.fh), offset: UInt64(wire.offset), count: wire.count)
    }

    func wire(_ sequence: ll_sequence_args) -> LL_READargs {
        LL_READargs(sequence: sequence, fh: self.handle.wire, offset: UInt(self.offset), count: self.count)
    }
}

extension ReadResult {
    init(_ wire: ll_read_resok) {
        self.init(
            isAtEnd: Bool(wire: unsafe wire.eof),
            data: unsafe [UInt8](wire: wire.data.data_val, wire.data.data_len)
        )
    }

    /// The result without its data.
    var wireWithoutData: ll_read_resok {
        var wire = unsafe ll_read_resok()
        unsafe wire.eof = self.isAtEnd.wire
        return unsafe wire
    }
}

extension WriteArguments {
    init(_ wire: LL_WRITEargs) {
        self.init(
            handle: FileHandle(wire: unsafe wire.fh),
            offset: UInt64(unsafe wire.offset),
            isStable: Bool(wire: unsafe wire.stable),
            waitMilliseconds: unsafe wire.wait_ms,
            data: unsafe [UInt8](wire: wire.data.data_val, wire.data.data_len)
        )
    }

    /// The arguments without their data.
    func wireWithoutData(_ sequence: ll_sequence_args) -> LL_WRITEargs {
        var wire = unsafe LL_WRITEargs()
        unsafe wire.sequence = sequence
        unsafe wire.fh = self.handle.wire
        unsafe wire.offset = UInt(self.offset)
        unsafe wire.stable = self.isStable.wire
        unsafe wire.wait_ms = self.waitMilliseconds
        return unsafe wire
    }
}

extension WriteResult {
    init(_ wire: ll_write_resok) {
        self.init(count: wire.count, size: UInt64(wire.size), verifier: UInt64(wire: wire.verifier))
    }

    var wire: ll_write_resok {
        ll_write_resok(count: self.count, size: UInt(self.size), verifier: self.verifier.wireVerifier)
    }
}

extension CommitArguments {
    init(_ wire: LL_COMMITargs) {
        self.init(handle: FileHandle(wire: wire.fh), offset: UInt64(wire.offset), length: UInt64(wire.length))
    }

    func wire(_ sequence: ll_sequence_args) -> LL_COMMITargs {
        LL_COMMITargs(
            sequence: sequence,
            fh: self.handle.wire,
            offset: UInt(self.offset),
            length: UInt(self.length)
        )
    }
}

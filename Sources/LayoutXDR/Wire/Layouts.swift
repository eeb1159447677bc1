import CLayoutXDR
import CTIRPC
import LayoutCore

extension LayoutGetArguments {
    init(_ wire: LL_LAYOUTGETargs) {
        self.init(
            handle: FileHandle(wire: wire.fh),
            stateID: StateID(wire: wire.stateid),
            addressing: wire.addressing.rawValue,
            ioMode: wire.iomode.rawValue,
            offset: UInt64(wire.offset),
            length: UInt64(wire.length),
            minLength: UInt64(wire.minlength),
            maxCount: wire.maxcount,
            flags: LayoutGetFlags(rawValue: wire.flags),
            waitMilliseconds: wire.wait_ms,
            knownEpoch: UInt64(wire.known_epoch)
        )
    }

    func wire(_ sequence: ll_sequence_args) -> LL_LAYOUTGETargs {
        LL_LAYOUTGETargs(
            sequence: sequence,
            fh: self.handle.wire,
            stateid: self.stateID.wire,
            addressing: ll_addressing(rawValue: self.addressing),
            iomode: ll_iomode(rawValue: self.ioMode),
            offset: UInt(self.offset),
            length: UInt(self.length),
            minlength: UInt(self.minLength),
            maxcount: self.maxCount,
            flags: self.flags.rawValue,
            wait_ms: self.waitMilliseconds,
            known_epoch: UInt(self.knownEpoch)
        )
    }
}

extension LayoutCommitArguments {
    init(_ wire: LL_LAYOUTCOMMITargs) throws(CodecError) {
        guard wire.size_changed != 0 || wire.new_size == 0 else {
            throw CodecError("LL_LAYOUTCOMMITargs", .inconsistent("new_size is not 0, but size_changed is false"))
        }
        self.init(
            handle: FileHandle(wire: wire.fh),
            stateID: StateID(wire: wire.stateid),
            offset: UInt64(wire.offset),
            length: UInt64(wire.length),
            newSize: wire.size_changed != 0 ? UInt64(wire.new_size) : nil
        )
    }

    func wire(_ sequence: ll_sequence_args) -> LL_LAYOUTCOMMITargs {
        LL_LAYOUTCOMMITargs(
            sequence: sequence,
            fh: self.handle.wire,
            stateid: self.stateID.wire,
            offset: UInt(self.offset),
            length: UInt(self.length),
            size_changed: (self.newSize != nil).wire,
            new_size: UInt(self.newSize ?? 0)
        )
    }
}

extension LayoutReturnArguments {
    init(_ wire: LL_LAYOUTRETURNargs) throws(CodecError) {
        // There is one flag; another one would ask for something that this version cannot do.
        guard wire.flags & ~UInt32(LL_RETURN_DOWNGRADE) == 0 else {
            throw CodecError("LL_LAYOUTRETURNargs.flags", .unknownValue(wire.flags))
        }
        self.init(
            type: try LayoutReturnType(wire: wire.type.rawValue, "ll_return_type"),
            handle: FileHandle(wire: wire.fh),
            stateID: StateID(wire: wire.stateid),
            ioMode: try IOModeSelector(wire: wire.iomode.rawValue, "ll_iomode"),
            offset: UInt64(wire.offset),
            length: UInt64(wire.length),
            isDowngrade: wire.flags != 0,
            ioError: wire.io_error
        )
    }

    func wire(_ sequence: ll_sequence_args) -> LL_LAYOUTRETURNargs {
        LL_LAYOUTRETURNargs(
            sequence: sequence,
            type: ll_return_type(rawValue: self.type.rawValue),
            fh: self.handle.wire,
            stateid: self.stateID.wire,
            iomode: ll_iomode(rawValue: self.ioMode.rawValue),
            offset: UInt(self.offset),
            length: UInt(self.length),
            flags: self.isDowngrade ? UInt32(LL_RETURN_DOWNGRADE) : 0,
            io_error: self.ioError
        )
    }
}

extension LayoutReturnResult {
    init(_ wire: ll_layoutreturn_resok) throws(CodecError) {
        self.init(
            stateID: try StateID.optional(wire.stateid, present: wire.present, "ll_layoutreturn_resok"),
            token: DescriptorToken(Opaque16(wire: wire.token))
        )
    }

    var wire: ll_layoutreturn_resok {
        ll_layoutreturn_resok(
            present: (self.stateID != nil).wire,
            stateid: (self.stateID ?? .none).wire,
            token: self.token.rawValue.wire
        )
    }
}

extension DeviceInfo {
    init(_ wire: ll_device) throws(CodecError) {
        switch try Addressing(wire: unsafe wire.addressing.rawValue, "ll_addressing") {
        case .file:
            let file = unsafe wire.ll_device_u.file
            self = .file(
                bootID: unsafe withUnsafeBytes(of: file.boot_id) { unsafe [UInt8]($0) },
                descriptorSocket: unsafe file.descriptor_socket.bytes
            )
        case .device:
            self = .device
        }
    }

    func wire(_ arena: inout WireArena) -> ll_device {
        var wire = unsafe ll_device()
        switch self {
        case .file(let bootID, let descriptorSocket):
            precondition(bootID.count == ProtocolLimits.bootID, "a boot ID of \(bootID.count) bytes")
            var file = unsafe ll_device_file()
            unsafe withUnsafeMutableBytes(of: &file.boot_id) { unsafe $0.copyBytes(from: bootID) }
            unsafe file.descriptor_socket = ll_path(descriptorSocket, &arena)
            unsafe wire.addressing = LL_ADDRESSING_FILE
            unsafe wire.ll_device_u.file = file
        case .device:
            unsafe wire.addressing = LL_ADDRESSING_DEVICE
        }
        return unsafe wire
    }
}

import LayoutCore
import LayoutXDR

extension Sample {
    static let layouts: [Sample] = [
        .call(
            "layoutget",
            .layoutGet(
                LayoutGetArguments(
                    handle: Self.handle,
                    stateID: .none,
                    addressing: Addressing.file.rawValue,
                    ioMode: IOMode.readWrite.rawValue,
                    offset: 0,
                    length: .max,
                    minLength: 4096,
                    maxCount: 65_536,
                    flags: .breakWrite,
                    waitMilliseconds: 2000,
                    knownEpoch: 2
                )
            )
        ),
        .call(
            "layoutget-unknown-addressing",
            .layoutGet(
                LayoutGetArguments(
                    handle: Self.handle,
                    stateID: Self.stateID,
                    addressing: 99,
                    ioMode: 3,
                    offset: .max,
                    length: 0,
                    minLength: .max,
                    maxCount: 0,
                    flags: LayoutGetFlags(rawValue: 0x8000_0000),
                    waitMilliseconds: 0,
                    knownEpoch: 0
                )
            )
        ),
        .reply(
            "layoutget",
            .layoutGet,
            .layoutGet(
                LayoutGetResult(
                    stateID: Self.stateID,
                    range: .all,
                    ioMode: .readWrite,
                    returnOnClose: false,
                    device: Self.device,
                    token: Self.token,
                    capabilities: [.guarded, .fenceWait, .synchronous],
                    fileSize: 12_288,
                    epoch: 4,
                    shifts: [
                        LoggedShift(epoch: 3, shift: Shift(isInsert: true, offset: 4096, length: 8192)),
                        LoggedShift(epoch: 4, shift: Shift(isInsert: false, offset: 0, length: 4096)),
                    ],
                    extents: [
                        Extent(range: Self.range(0, 4096), storageOffset: 1 << 20, state: .data),
                        Extent(range: Self.range(4096, 12_288), storageOffset: 2 << 20, state: .unwritten),
                        Extent(range: ByteRange(from: 12_288), storageOffset: 0, state: .hole),
                    ]
                )
            )
        ),
        .reply(
            "layoutget-shifts-lost",
            .layoutGet,
            .layoutGet(
                LayoutGetResult(
                    stateID: Self.stateID,
                    range: Self.range(8192, 16_384),
                    ioMode: .read,
                    returnOnClose: true,
                    device: Self.device,
                    token: .none,
                    capabilities: .fenceCooperative,
                    fileSize: 16_384,
                    epoch: 900,
                    shifts: nil,
                    extents: [Extent(range: Self.range(8192, 16_384), storageOffset: 0, state: .data)]
                )
            )
        ),
        .failure("layoutget", .layoutGet, .recallConflict, "a collapse of [0, end) is under way; ask again"),
        .call(
            "layoutcommit",
            .layoutCommit(
                LayoutCommitArguments(
                    handle: Self.handle,
                    stateID: Self.stateID,
                    offset: 4096,
                    length: 4096,
                    newSize: 8192
                )
            )
        ),
        .call(
            "layoutcommit-same-size",
            .layoutCommit(
                LayoutCommitArguments(
                    handle: Self.handle,
                    stateID: Self.stateID,
                    offset: 0,
                    length: .max,
                    newSize: nil
                )
            )
        ),
        .reply("layoutcommit", .layoutCommit, .layoutCommit(size: 8192)),
        .failure("layoutcommit", .layoutCommit, .badStateID, "the layout was revoked; the data may have moved"),
        .call(
            "layoutreturn",
            .layoutReturn(
                LayoutReturnArguments(
                    type: .file,
                    handle: Self.handle,
                    stateID: Self.stateID,
                    ioMode: .readWrite,
                    offset: 0,
                    length: .max,
                    isDowngrade: true,
                    ioError: 0
                )
            )
        ),
        .call(
            "layoutreturn-all",
            .layoutReturn(
                LayoutReturnArguments(
                    type: .all,
                    handle: .root,
                    stateID: .none,
                    ioMode: .any,
                    offset: 0,
                    length: .max,
                    isDowngrade: false,
                    ioError: 5
                )
            )
        ),
        .reply(
            "layoutreturn",
            .layoutReturn,
            .layoutReturn(LayoutReturnResult(stateID: Self.stateID, token: Self.token))
        ),
        .reply("layoutreturn-all", .layoutReturn, .layoutReturn(LayoutReturnResult(stateID: nil, token: .none))),
        .failure("layoutreturn", .layoutReturn, .oldStateID, "seqid 2 is older than 3"),
        .call("getdeviceinfo", .getDeviceInfo(Self.device)),
        .reply(
            "getdeviceinfo",
            .getDeviceInfo,
            .getDeviceInfo(
                .file(
                    bootID: Self.bytes("6f1f7a52-3c65-4b0a-9a54-2d8d3c1f0e77"),
                    descriptorSocket: Self.bytes("/run/layoutd/descriptors")
                )
            )
        ),
        .reply("getdeviceinfo-device", .getDeviceInfo, .getDeviceInfo(.device)),
        .failure("getdeviceinfo", .getDeviceInfo, .noSuchAddress, "no such device"),
    ]
}

import CLayoutXDR
import CTIRPC
import LayoutCore
package import NIOCore

extension LayoutCodec {
    /// Appends the results of a call of `procedure`.
    ///
    /// If the reply's sequence has a status other than OK, the result repeats that status, whatever it was.
    /// - Precondition: A success is the response that belongs to `procedure`; a failure's status is not OK; `sequence`
    ///   is there if the procedure carries one; arrays and data are within ``ProtocolLimits``.
    package static func encode(_ reply: LayoutReply, for procedure: Procedure, into buffer: inout ByteBuffer) {
        let result = reply.result
        switch procedure {
        case .null:
            break
        case .exchangeID:
            unsafe XDRStream.encode(into: &buffer) { arena in
                unsafe LL_EXCHANGE_IDres(result, &arena) { response, arena in
                    guard case .exchangeID(let value) = response else { Self.mismatch(procedure, response) }
                    return unsafe value.wire(&arena)
                }
            }
        case .createSession:
            unsafe XDRStream.encode(into: &buffer) { arena in
                unsafe LL_CREATE_SESSIONres(result, &arena) { response, _ in
                    guard case .createSession(let value) = response else { Self.mismatch(procedure, response) }
                    return value.wire
                }
            }
        case .bindConnectionToSession:
            unsafe XDRStream.encode(into: &buffer) { arena in
                unsafe LL_BIND_CONNres(result, &arena) { response, _ in
                    guard case .bindConnectionToSession(let value) = response else {
                        Self.mismatch(procedure, response)
                    }
                    return value.wireResult
                }
            }
        case .destroySession, .destroyClientID:
            unsafe XDRStream.encode(into: &buffer) { arena in
                unsafe LL_STATUSres(result, &arena) { response, _ in
                    guard case .void = response else { Self.mismatch(procedure, response) }
                }
            }
        case .sequence, .reclaimComplete, .close, .remove, .rename, .commit, .revoke, .unblock:
            unsafe Self.encode(LL_VOIDres.self, reply, procedure, into: &buffer) { response, _ in
                guard case .void = response else { Self.mismatch(procedure, response) }
            }
        case .lookup, .open, .getAttributes, .setAttributes, .createDirectory:
            unsafe Self.encode(LL_OBJECTres.self, reply, procedure, into: &buffer) { response, _ in
                guard case .object(let value) = response else { Self.mismatch(procedure, response) }
                return value.wire
            }
        case .readDirectory:
            unsafe Self.encode(LL_READDIRres.self, reply, procedure, into: &buffer) { response, arena in
                guard case .readDirectory(let value) = response else { Self.mismatch(procedure, response) }
                return unsafe value.wire(&arena)
            }
        case .layoutGet:
            unsafe Self.encode(LL_LAYOUTGETres.self, reply, procedure, into: &buffer) { response, arena in
                guard case .layoutGet(let value) = response else { Self.mismatch(procedure, response) }
                return unsafe value.wire(&arena)
            }
        case .layoutCommit:
            unsafe Self.encode(LL_LAYOUTCOMMITres.self, reply, procedure, into: &buffer) { response, _ in
                guard case .layoutCommit(let size) = response else { Self.mismatch(procedure, response) }
                return ll_layoutcommit_resok(size: UInt(size))
            }
        case .layoutReturn:
            unsafe Self.encode(LL_LAYOUTRETURNres.self, reply, procedure, into: &buffer) { response, _ in
                guard case .layoutReturn(let value) = response else { Self.mismatch(procedure, response) }
                return value.wire
            }
        case .getDeviceInfo:
            unsafe Self.encode(LL_GETDEVICEINFOres.self, reply, procedure, into: &buffer) { response, arena in
                guard case .getDeviceInfo(let value) = response else { Self.mismatch(procedure, response) }
                return unsafe value.wire(&arena)
            }
        case .allocate, .punchHole, .zeroRange, .collapseRange, .insertRange, .truncate, .cloneRange:
            unsafe Self.encode(LL_CHANGEres.self, reply, procedure, into: &buffer) { response, _ in
                guard case .change(let value) = response else { Self.mismatch(procedure, response) }
                return value.wire
            }
        case .read:
            Self.encodeRead(reply, into: &buffer)
        case .write:
            unsafe Self.encode(LL_WRITEres.self, reply, procedure, into: &buffer) { response, _ in
                guard case .write(let value) = response else { Self.mismatch(procedure, response) }
                return value.wire
            }
        case .state:
            unsafe Self.encode(LL_STATEres.self, reply, procedure, into: &buffer) { response, arena in
                guard case .state(let value) = response else { Self.mismatch(procedure, response) }
                return unsafe value.wire(&arena)
            }
        }
    }

    /// The data go straight from their array into the buffer.
    private static func encodeRead(_ reply: LayoutReply, into buffer: inout ByteBuffer) {
        let data: [UInt8] = if case .success(.read(let value)) = reply.result { value.data } else { [] }
        unsafe data.withUnsafeBytes { data in
            unsafe Self.encode(LL_READres.self, reply, .read, into: &buffer, borrowing: data.count) { response, _ in
                guard case .read(let value) = response else { Self.mismatch(.read, response) }
                var wire = unsafe value.wireWithoutData
                unsafe wire.data.data_val = UnsafeMutablePointer(borrowing: data)
                unsafe wire.data.data_len = UInt32(clamping: data.count)
                return unsafe wire
            }
        }
    }

    private static func encode<Wire: WireReply>(
        _ type: Wire.Type,
        _ reply: LayoutReply,
        _ procedure: Procedure,
        into buffer: inout ByteBuffer,
        borrowing borrowed: Int = 0,
        _ resok: (Response, inout WireArena) -> Wire.Outcome.Resok
    ) {
        guard let sequence = reply.sequence else { preconditionFailure("\(procedure) is answered with a sequence") }
        XDRStream.encode(into: &buffer, borrowing: borrowed) { arena in
            var wire = Wire()
            wire.sequence = sequence.wire
            wire.result = Wire.Outcome(Self.repeating(sequence.status, in: reply.result), &arena, resok)
            return wire
        }
    }

    /// The result of a call, which is the failure of its sequence if that failed.
    private static func repeating(
        _ status: LayoutStatus,
        in result: Result<Response, Failure>
    ) -> Result<Response, Failure> {
        guard status != .ok else { return result }
        switch result {
        case .success: return .failure(Failure(status))
        case .failure(let failure): return .failure(Failure(status, failure.detail))
        }
    }

    private static func mismatch(_ procedure: Procedure, _ response: Response) -> Never {
        preconditionFailure("\(procedure) is not answered with \(response)")
    }
}

import CLayoutXDR
import CTIRPC
import LayoutCore

/// The arguments of a call that carries a sequence.
protocol WireArguments: WireType {
    var sequence: ll_sequence_args { get set }
}

/// A union over a status: the result if it is `LL_OK`, else why not.
protocol WireResult {
    associatedtype Resok
    init()
    var status: ll_stat { get set }
    /// Only if `status` is `LL_OK`.
    var resok: Resok { get set }
    /// Only if `status` is not `LL_OK`.
    var error: ll_error { get set }
}

/// The results of a call that carries a sequence.
protocol WireReply: WireType {
    associatedtype Outcome: WireResult
    var sequence: ll_sequence_res { get set }
    var result: Outcome { get set }
}

extension WireArguments {
    /// All zero but for the sequence.
    init(_ sequence: ll_sequence_args) {
        self.init()
        self.sequence = sequence
    }
}

extension WireResult {
    /// Makes the union; `resok` turns a success into its arm.
    init(
        _ result: Result<Response, Failure>,
        _ arena: inout WireArena,
        _ resok: (Response, inout WireArena) -> Resok
    ) {
        self.init()
        switch result {
        case .success(let response):
            self.status = LL_OK
            self.resok = resok(response, &arena)
        case .failure(let failure):
            precondition(failure.status != .ok, "a failure with status OK: '\(failure.detail)'")
            self.status = ll_stat(rawValue: failure.status.rawValue)
            unsafe self.error = ll_error(failure.detail, &arena)
        }
    }

    /// Reads the union; `response` turns the arm of a success into a value.
    func value(
        _ response: (Resok) throws(CodecError) -> Response
    ) throws(CodecError) -> Result<Response, Failure> {
        guard self.status != LL_OK else { return .success(try response(self.resok)) }
        return .failure(Failure(LayoutStatus(rawValue: self.status.rawValue), unsafe self.error.text))
    }
}

extension ll_error {
    init(_ detail: String, _ arena: inout WireArena) {
        unsafe self.init(detail: ll_detail(detail, &arena))
    }

    var text: String { unsafe self.detail.text }
}

extension ll_detail {
    /// Text for people: cut to fit.
    init(_ text: String, _ arena: inout WireArena) {
        unsafe self.init()
        let text = unsafe arena.bytes(WireText.encode(text, limit: ProtocolLimits.detail))
        unsafe self.ll_detail_val = text.pointer
        unsafe self.ll_detail_len = text.count
    }

    var text: String {
        WireText.decode(
            unsafe [UInt8](wire: self.ll_detail_val, self.ll_detail_len),
            limit: ProtocolLimits.detail
        )
    }
}

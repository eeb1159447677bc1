import CLayoutXDR
import CTIRPC

// Which routine goes with which struct, and where the arms of its union are. C has no way to say so; everything below
// follows from the names.

extension LL_EXCHANGE_IDres: WireType, @unsafe WireResult {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_EXCHANGE_IDres(stream, value)
    }

    var resok: ll_exchange_id_resok {
        get { unsafe self.LL_EXCHANGE_IDres_u.resok }
        set { unsafe self.LL_EXCHANGE_IDres_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.LL_EXCHANGE_IDres_u.error }
        set { unsafe self.LL_EXCHANGE_IDres_u.error = newValue }
    }
}

extension LL_CREATE_SESSIONres: WireType, WireResult {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_CREATE_SESSIONres(stream, value)
    }

    var resok: ll_create_session_resok {
        get { unsafe self.LL_CREATE_SESSIONres_u.resok }
        set { unsafe self.LL_CREATE_SESSIONres_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.LL_CREATE_SESSIONres_u.error }
        set { unsafe self.LL_CREATE_SESSIONres_u.error = newValue }
    }
}

extension LL_BIND_CONNres: WireType, WireResult {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_BIND_CONNres(stream, value)
    }

    var resok: ll_bind_conn_resok {
        get { unsafe self.LL_BIND_CONNres_u.resok }
        set { unsafe self.LL_BIND_CONNres_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.LL_BIND_CONNres_u.error }
        set { unsafe self.LL_BIND_CONNres_u.error = newValue }
    }
}

extension LL_STATUSres: WireType, WireResult {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_STATUSres(stream, value)
    }

    /// No result but the status.
    var resok: Void {
        get {}
        set {}
    }
    var error: ll_error {
        get { unsafe self.LL_STATUSres_u.error }
        set { unsafe self.LL_STATUSres_u.error = newValue }
    }
}

extension LL_VOIDres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_VOIDres(stream, value)
    }
}

extension ll_void_result: WireResult {
    /// No result but the status.
    var resok: Void {
        get {}
        set {}
    }
    var error: ll_error {
        get { unsafe self.ll_void_result_u.error }
        set { unsafe self.ll_void_result_u.error = newValue }
    }
}

extension LL_OBJECTres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_OBJECTres(stream, value)
    }
}

extension ll_object_result: WireResult {
    var resok: ll_object_resok {
        get { unsafe self.ll_object_result_u.resok }
        set { unsafe self.ll_object_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_object_result_u.error }
        set { unsafe self.ll_object_result_u.error = newValue }
    }
}

extension LL_READDIRres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_READDIRres(stream, value)
    }
}

extension ll_readdir_result: @unsafe WireResult {
    var resok: ll_readdir_resok {
        get { unsafe self.ll_readdir_result_u.resok }
        set { unsafe self.ll_readdir_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_readdir_result_u.error }
        set { unsafe self.ll_readdir_result_u.error = newValue }
    }
}

extension LL_LAYOUTGETres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_LAYOUTGETres(stream, value)
    }
}

extension ll_layoutget_result: @unsafe WireResult {
    var resok: ll_layout_resok {
        get { unsafe self.ll_layoutget_result_u.resok }
        set { unsafe self.ll_layoutget_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_layoutget_result_u.error }
        set { unsafe self.ll_layoutget_result_u.error = newValue }
    }
}

extension LL_LAYOUTCOMMITres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_LAYOUTCOMMITres(stream, value)
    }
}

extension ll_layoutcommit_result: WireResult {
    var resok: ll_layoutcommit_resok {
        get { unsafe self.ll_layoutcommit_result_u.resok }
        set { unsafe self.ll_layoutcommit_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_layoutcommit_result_u.error }
        set { unsafe self.ll_layoutcommit_result_u.error = newValue }
    }
}

extension LL_LAYOUTRETURNres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_LAYOUTRETURNres(stream, value)
    }
}

extension ll_layoutreturn_result: WireResult {
    var resok: ll_layoutreturn_resok {
        get { unsafe self.ll_layoutreturn_result_u.resok }
        set { unsafe self.ll_layoutreturn_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_layoutreturn_result_u.error }
        set { unsafe self.ll_layoutreturn_result_u.error = newValue }
    }
}

extension LL_GETDEVICEINFOres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_GETDEVICEINFOres(stream, value)
    }
}

extension ll_getdeviceinfo_result: @unsafe WireResult {
    var resok: ll_device {
        get { unsafe self.ll_getdeviceinfo_result_u.device }
        set { unsafe self.ll_getdeviceinfo_result_u.device = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_getdeviceinfo_result_u.error }
        set { unsafe self.ll_getdeviceinfo_result_u.error = newValue }
    }
}

extension LL_CHANGEres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_CHANGEres(stream, value)
    }
}

extension ll_change_result: WireResult {
    var resok: ll_change_resok {
        get { unsafe self.ll_change_result_u.resok }
        set { unsafe self.ll_change_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_change_result_u.error }
        set { unsafe self.ll_change_result_u.error = newValue }
    }
}

extension LL_READres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_READres(stream, value)
    }
}

extension ll_read_result: @unsafe WireResult {
    var resok: ll_read_resok {
        get { unsafe self.ll_read_result_u.resok }
        set { unsafe self.ll_read_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_read_result_u.error }
        set { unsafe self.ll_read_result_u.error = newValue }
    }
}

extension LL_WRITEres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_WRITEres(stream, value)
    }
}

extension ll_write_result: WireResult {
    var resok: ll_write_resok {
        get { unsafe self.ll_write_result_u.resok }
        set { unsafe self.ll_write_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_write_result_u.error }
        set { unsafe self.ll_write_result_u.error = newValue }
    }
}

extension LL_STATEres: @unsafe WireReply {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_STATEres(stream, value)
    }
}

extension ll_state_result: @unsafe WireResult {
    var resok: ll_state_resok {
        get { unsafe self.ll_state_result_u.resok }
        set { unsafe self.ll_state_result_u.resok = newValue }
    }
    var error: ll_error {
        get { unsafe self.ll_state_result_u.error }
        set { unsafe self.ll_state_result_u.error = newValue }
    }
}

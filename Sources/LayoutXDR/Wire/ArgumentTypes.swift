import CLayoutXDR
import CTIRPC

// Which routine goes with which struct. C has no way to say so; everything below follows from the names.

extension LL_SEQUENCEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_SEQUENCEargs(stream, value)
    }
}

extension LL_RECLAIM_COMPLETEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_RECLAIM_COMPLETEargs(stream, value)
    }
}

extension LL_LOOKUPargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_LOOKUPargs(stream, value)
    }
}

extension LL_OPENargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_OPENargs(stream, value)
    }
}

extension LL_CLOSEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_CLOSEargs(stream, value)
    }
}

extension LL_GETATTRargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_GETATTRargs(stream, value)
    }
}

extension LL_SETATTRargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_SETATTRargs(stream, value)
    }
}

extension LL_READDIRargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_READDIRargs(stream, value)
    }
}

extension LL_CREATEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_CREATEargs(stream, value)
    }
}

extension LL_REMOVEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_REMOVEargs(stream, value)
    }
}

extension LL_RENAMEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_RENAMEargs(stream, value)
    }
}

extension LL_LAYOUTGETargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_LAYOUTGETargs(stream, value)
    }
}

extension LL_LAYOUTCOMMITargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_LAYOUTCOMMITargs(stream, value)
    }
}

extension LL_LAYOUTRETURNargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_LAYOUTRETURNargs(stream, value)
    }
}

extension LL_GETDEVICEINFOargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_GETDEVICEINFOargs(stream, value)
    }
}

extension LL_CHANGEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_CHANGEargs(stream, value)
    }
}

extension LL_CLONEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_CLONEargs(stream, value)
    }
}

extension LL_READargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_READargs(stream, value)
    }
}

extension LL_WRITEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_WRITEargs(stream, value)
    }
}

extension LL_COMMITargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_COMMITargs(stream, value)
    }
}

extension LL_STATEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_STATEargs(stream, value)
    }
}

extension LL_REVOKEargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_REVOKEargs(stream, value)
    }
}

extension LL_UNBLOCKargs: WireArguments {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_UNBLOCKargs(stream, value)
    }
}

extension LL_EXCHANGE_IDargs: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_EXCHANGE_IDargs(stream, value)
    }
}

extension LL_CREATE_SESSIONargs: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_CREATE_SESSIONargs(stream, value)
    }
}

extension LL_BIND_CONNargs: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_BIND_CONNargs(stream, value)
    }
}

extension LL_DESTROY_SESSIONargs: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_DESTROY_SESSIONargs(stream, value)
    }
}

extension LL_DESTROY_CLIENTIDargs: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_LL_DESTROY_CLIENTIDargs(stream, value)
    }
}

extension CB_LAYOUTRECALLargs: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_CB_LAYOUTRECALLargs(stream, value)
    }
}

extension CB_RECALL_ANYargs: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_CB_RECALL_ANYargs(stream, value)
    }
}

extension CB_NOTIFY_DEVICEIDargs: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_CB_NOTIFY_DEVICEIDargs(stream, value)
    }
}

extension CB_STATUSres: WireType {
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t {
        unsafe xdr_CB_STATUSres(stream, value)
    }
}

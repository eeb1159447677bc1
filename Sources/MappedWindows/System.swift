import Glibc

/// What `strerror(3)` says about an error number; safe on every thread since glibc 2.32.
func systemMessage(_ errno: Int32) -> String {
    guard let text = unsafe strerror(errno) else { return "unknown" }
    return unsafe String(cString: text)
}

/// Bytes in a page of this machine.
let pageSize = sysconf(Int32(_SC_PAGESIZE))

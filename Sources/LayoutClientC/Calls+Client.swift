public import CLayoutClientABI
internal import Glibc
internal import LayoutClient

/// Connects to a server; see `layoutclient.h`.
@c @implementation
public func ll_connect(_ url: UnsafePointer<CChar>?, _ options: UnsafePointer<ll_options>?) -> OpaquePointer? {
    unsafe call("ll_connect", failing: nil) { () throws(CallFailure) in
        guard let url = unsafe url else {
            throw CallFailure(EINVAL, "the address is NULL: pass one such as layout+unix:///run/layoutd.sock")
        }
        let address = unsafe String(cString: url)
        let (configuration, windowSize) = try unsafe configuration(options)
        let client = try Waiting.result(of: nil) { () async throws(LayoutError) in
            try await LayoutClient.connect(to: address, configuration: configuration)
        }
        guard let handle = unsafe Handles.clients.insert(ClientHandle(client, windowSize: windowSize)) else {
            throw .tooManyHandles
        }
        return unsafe handle
    }
}

/// Ends a connection; see `layoutclient.h`.
@c @implementation
public func ll_disconnect(_ client: OpaquePointer?) -> CInt {
    call("ll_disconnect", failing: -1) { () throws(CallFailure) in
        let handle = unsafe try Handles.client(client)
        try checkHoldsNoAccess()
        unsafe try checkIsNotCallback(of: client)
        // Whoever takes it out ends it; the others are told that it is closed.
        guard unsafe Handles.clients.remove(client) != nil else { throw .notAClient }
        try handle.listener.replace(with: nil)
        let client = handle.client
        try Waiting.result(of: client) { () async throws(LayoutError) in await client.close() }
        return 0
    }
}

/// Has a function called for every recall; see `layoutclient.h`.
@c @implementation
public func ll_on_recall(
    _ client: OpaquePointer?,
    _ callback: (@convention(c) (UnsafePointer<ll_recall>?, UnsafeMutableRawPointer?) -> Void)?,
    _ userData: UnsafeMutableRawPointer?
) -> CInt {
    call("ll_on_recall", failing: -1) { () throws(CallFailure) in
        let handle = unsafe try Handles.client(client)
        unsafe try checkIsNotCallback(of: client)
        guard let callback = unsafe callback else {
            try handle.listener.replace(with: nil)
            return 0
        }
        let number = UInt(bitPattern: client)
        try handle.listener.replace { () throws(CallFailure) in
            unsafe try RecallListener(handle.client.recallEvents, of: number, callback, userData)
        }
        return 0
    }
}

/// Makes sure that the caller is not the callback that it would wait for.
private func checkIsNotCallback(of client: OpaquePointer?) throws(CallFailure) {
    guard ll_internal_callback_of() != UInt(bitPattern: client) else {
        throw CallFailure(EDEADLK, "the recall callback would wait for its own end: call from another thread")
    }
}

/// Fills in what a client has counted; see `layoutclient.h`.
@c @implementation
public func ll_get_statistics(
    _ client: OpaquePointer?,
    _ statistics: UnsafeMutablePointer<ll_statistics>?,
    _ size: Int
) -> CInt {
    call("ll_get_statistics", failing: -1) { () throws(CallFailure) in
        let counted = unsafe try Handles.client(client).client.statistics
        guard let statistics = unsafe statistics, size > 0 else {
            throw CallFailure(EINVAL, "there is no room for the counters: pass a struct ll_statistics and its size")
        }
        var values = ll_statistics(
            recalls_received: counted.recallsReceived,
            recalls_dropped: counted.recallEventsDropped,
            returns: counted.returns,
            grants: counted.grants,
            refusals: counted.refusals,
            windows_granted: counted.windowsGranted,
            windows_revoked: counted.windowsRevoked,
            windows_failed: counted.windowsFailed,
            faults_parked: counted.faultsParked,
            reads_direct: counted.readsDirect,
            reads_through_server: counted.readsThroughServer,
            writes_direct: counted.writesDirect,
            writes_through_server: counted.writesThroughServer,
            fallbacks: counted.fallbacks,
            reconnections: counted.reconnections,
            sessions_lost: counted.sessionsLost,
            leases_lost: counted.leasesLost,
            layouts_reclaimed: counted.layoutsReclaimed,
            reclaims_refused: counted.reclaimsRefused
        )
        // A newer header has more members than this library: they are zero.
        let target = unsafe UnsafeMutableRawBufferPointer(start: statistics, count: size)
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe withUnsafeBytes(of: &values) {
            unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(size)))
        }
        return 0
    }
}

/// What the options of C mean, and the size of mapped windows.
private func configuration(
    _ options: UnsafePointer<ll_options>?
) throws(CallFailure) -> (ClientConfiguration, windowSize: Int) {
    var configuration = ClientConfiguration()
    var windowSize = LayoutFile.defaultWindowSize
    guard let options = unsafe options else { return (configuration, windowSize) }
    // A caller that was built with a newer header has more, which this library does not know how to keep.
    let (given, own) = unsafe (options.pointee.size, MemoryLayout<ll_options>.size)
    guard given == own else {
        throw CallFailure(
            EINVAL,
            "options of \(given) bytes are not of this library, whose have \(own): set size to sizeof(struct ll_options)"
        )
    }
    let values = unsafe options.pointee
    guard unsafe values.flags & ~LL_NO_DIRECT_IO == 0 else {
        throw CallFailure(EINVAL, "unknown bits in the flags of the options: set LL_NO_DIRECT_IO, or 0")
    }
    func set(_ path: WritableKeyPath<ClientConfiguration, Duration>, _ milliseconds: UInt32) {
        if milliseconds > 0 { configuration[keyPath: path] = .milliseconds(Int64(milliseconds)) }
    }
    unsafe set(\.connectTimeout, values.connect_milliseconds)
    unsafe set(\.patience, values.patience_milliseconds)
    unsafe set(\.layoutPatience, values.layout_milliseconds)
    unsafe set(\.answerTimeout, values.answer_milliseconds)
    unsafe set(\.giveUpAfter, values.give_up_milliseconds)
    configuration.readsAndWritesDirectly = unsafe values.flags & LL_NO_DIRECT_IO == 0
    // Larger ones than any file system has files are as good as a mistake.
    let sizes = unsafe (values.io_window_bytes, values.map_window_bytes)
    guard max(sizes.0, sizes.1) <= 1 << 46 else {
        throw CallFailure(EINVAL, "a window of more than 64 TiB: choose the sizes of windows smaller")
    }
    if sizes.0 > 0 { configuration.ioWindowSize = max(Int(sizes.0), 2 << 20) }
    if sizes.1 > 0 { windowSize = max(Int(sizes.1), 2 << 20) }
    if let name = unsafe values.name { configuration.name = unsafe String(cString: name) }
    return (configuration, windowSize)
}

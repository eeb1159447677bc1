import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles

/// Calls that name the file, over restarts of a server without memory, which make its handle void.
extension FileCore {
    /// What the file is called by.
    enum Resolution {
        /// ``FileCore/handle`` is good, as far as is known. Next: `pending`.
        case resolved
        /// The server was restarted without its memory, and the path is being looked up again. Next: `resolved`, `lost`.
        case pending([(Result<FileHandle, Failure>) -> Void])
        /// The path names something else now.
        case lost(Failure)
    }

    /// Makes a call that names the file.
    ///
    /// As of ``SessionLink/submit(_:loss:kind:timeout:wait:answerTimeout:completion:)``. A call that was refused because the
    /// handle is one of the server's earlier life was not executed, and is made again with the new one.
    func submit(
        loss: SessionCall.Loss,
        timeout: Duration,
        wait: Duration = .zero,
        _ request: @escaping (FileHandle) -> Request,
        completion: @escaping (Result<Response, Failure>) -> Void
    ) {
        self.withHandle { [self] result in
            let handle: FileHandle
            switch result {
            case .success(let found): handle = found
            case .failure(let failure): return completion(.failure(failure))
            }
            let kind: SessionCall.Kind = wait > .zero ? .waiting : .ordinary
            self.client.link.submit(
                request(handle),
                loss: loss,
                kind: kind,
                timeout: timeout,
                wait: wait
            ) { [self] result in
                if case .failure(let failure) = result, failure.status == .badHandle, !self.isCurrent(handle) {
                    return self.submit(loss: loss, timeout: timeout, wait: wait, request, completion: completion)
                }
                completion(result)
            }
        }
    }

    private func isCurrent(_ handle: FileHandle) -> Bool {
        if case .resolved = self.resolution { return self.handle == handle }
        return false
    }

    private func withHandle(_ body: @escaping (Result<FileHandle, Failure>) -> Void) {
        switch self.resolution {
        case .resolved: body(.success(self.handle))
        case .lost(let failure): body(.failure(failure))
        case .pending(let waiting): self.resolution = .pending(waiting + [body])
        }
    }

    /// Whether layouts can be asked for.
    var isResolved: Bool {
        if case .resolved = self.resolution { return true }
        return false
    }

    /// Begins anew with what is known of the file: the epochs of the server's earlier life mean nothing (R8.2-2).
    ///
    /// The lease is lost, so no window has access, and no call of the old session is under way.
    private func beginAnew() {
        let knewEpoch = self.holder.epoch != 0
        self.holder = LayoutHolder(blockSize: self.blockSize)
        self.latestStateID = .none
        self.awaitsReclaims = false
        self.handle(.leaseLost)
        for window in self.windows.values.sorted(by: { $0.id < $1.id }) where !window.isRemoved {
            guard window.failure == nil else { continue }
            if window.followsContent, knewEpoch {
                // Nobody can say where its bytes are now.
                self.fail(window.id, .outcomeUnknown)
                continue
            }
            self.handle(.windowAdded(window.id, window.place))
            self.wantIfAwaited(window)
        }
        for change in self.changes.values.map({ $0.intent }).sorted(by: { $0.id.rawValue < $1.id.rawValue }) {
            self.handle(.changeWanted(change))
        }
    }

    /// Looks the path up again, in a new life of the server (R5.1-2).
    func resolveAnew() {
        switch self.resolution {
        case .resolved: self.resolution = .pending([])
        case .pending: break
        case .lost: return
        }
        self.beginAnew()
        let arguments = PathArguments(directory: .root, path: Array(self.path.utf8))
        self.lookups += 1
        let lookup = self.lookups
        self.client.link.submit(
            .lookup(arguments),
            loss: .repeatable,
            timeout: self.client.configuration.giveUpAfter
        ) { [self] result in
            // A second restart has asked again.
            guard lookup == self.lookups, case .pending(let waiting) = self.resolution else { return }
            let outcome = result.flatMap { response -> Result<FileHandle, Failure> in
                guard case .object(let object) = response, object.attributes.fileNumber == self.fileNumber else {
                    let detail = "the server was restarted, and '\(self.path)' is another file now"
                    return .failure(Failure(.stale, detail))
                }
                return .success(object.handle)
            }
            switch outcome {
            case .success(let handle):
                self.resolution = .resolved
                self.client.rename(self, to: handle)
                if self.client.hasLease { self.handle(.leaseRegained) }
            case .failure(let failure):
                self.resolution = .lost(failure)
                self.unavailable = (failure, Host.now)
                self.handle(.leaseGivenUp(.stale))
            }
            for waiter in waiting { waiter(outcome) }
        }
    }
}

import ArgumentParser
import Glibc
import LayoutClient

/// What all commands take.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: [.customShort("s"), .customLong("server")],
        help: ArgumentHelp("The server's address.", discussion: "Default: $LAYOUTD_SERVER", valueName: "url")
    )
    var server: String?

    @Option(
        name: .customLong("timeout"),
        help: ArgumentHelp(
            "How many seconds to wait for the server, and for others to give layouts back (at most 20).",
            valueName: "seconds"
        )
    )
    var timeout: Double = 20

    @Flag(help: "Write JSON to standard output.")
    var json = false

    func validate() throws {
        guard self.timeout > 0, self.timeout <= 86_400 else {
            throw ValidationError("--timeout takes seconds above 0, such as 0.5 or 20")
        }
        guard self.address != nil else {
            throw ValidationError(
                "no server is named: use --server layout+unix:///run/layoutd.sock, or set LAYOUTD_SERVER"
            )
        }
    }

    private var address: String? {
        if let server = self.server { return server }
        return unsafe getenv("LAYOUTD_SERVER").map { unsafe String(cString: $0) }
    }

    /// How long a change may wait.
    var patience: Duration { .milliseconds(Int64(self.timeout * 1000)) }

    /// Connects, runs the command, says goodbye; failures become messages and exit codes.
    func withClient(_ body: (LayoutClient) async throws -> Void) async throws {
        do {
            var configuration = ClientConfiguration()
            configuration.name = "layoutctl"
            configuration.connectTimeout = min(self.patience, .seconds(10))
            configuration.patience = min(self.patience, .seconds(20))
            configuration.giveUpAfter = min(self.patience, .seconds(20))
            let client = try await LayoutClient.connect(to: self.address ?? "", configuration: configuration)
            do {
                try await body(client)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
        } catch let error as LayoutError {
            Terminal.complain(error.description)
            throw ExitCode(error.code.exitCode)
        } catch let error as LocalError {
            Terminal.complain(error.message)
            throw ExitCode(1)
        }
    }
}

/// A failure on this side, such as a local file that cannot be opened.
struct LocalError: Error {
    var message: String

    /// Makes an error from `errno`, right after a call that failed.
    static func system(_ attempt: String) -> LocalError {
        let code = errno
        let reason = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "errno \(code)"
        return LocalError(message: "cannot \(attempt): \(reason)")
    }
}

extension LayoutStatus {
    /// What `sysexits.h` says.
    var exitCode: Int32 {
        switch self {
        case .unreachable: 69
        case .delay, .timedOut, .recallConflict, .returnConflict, .layoutTryLater, .grace, .resource: 75
        case .access, .notPermitted: 77
        default: 1
        }
    }
}

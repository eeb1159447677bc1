import ArgumentParser
import Glibc
import LayoutServer

/// How changes by local programs are held up that do not speak the protocol.
struct GuardOptions: ParsableArguments {
    @Option(
        name: .customLong("guard"),
        help: """
            Whether programs on this host that change an exported file wait until its layouts are back: 'auto' where the \
            host can, 'required' or the server does not start, 'off'. Takes root and Linux 6.14.
            """
    )
    var mode = ServerConfiguration.Guarding.Mode.auto

    @Option(help: "How long such a program waits, at most, before its system call fails with EBUSY.")
    var localPatience = TimeArgument(seconds: 20)

    func validate() throws {
        guard self.localPatience.duration > .zero else { throw ValidationError("--local-patience takes 1ms or more") }
    }

    /// The server's settings; the keeper's socket is beside the recovery store.
    func settings(_ state: StateOptions) -> ServerConfiguration.Guarding {
        var settings = ServerConfiguration.Guarding()
        settings.mode = self.mode
        settings.patience = self.localPatience.duration
        settings.keeperSocket = { state.path(for: $0) + "/guard.sock" }
        settings.keeperProgram = Self.keeperProgram
        return settings
    }

    /// The keeper, which is installed beside this program.
    static var keeperProgram: String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe bytes.bindMemory(to: CChar.self).baseAddress.map {
                unsafe readlink("/proc/self/exe", $0, bytes.count)
            }
        }
        let own = String(decoding: buffer.prefix(max(0, count ?? 0)), as: UTF8.self)
        let directory = own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        return directory + "/layoutd-keeper"
    }
}

extension ServerConfiguration.Guarding.Mode: ExpressibleByArgument {}

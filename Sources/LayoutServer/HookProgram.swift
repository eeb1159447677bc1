import Glibc
import LayoutCore
import LinuxFiles

/// Runs an operator's program.
///
/// Blocks.
enum HookProgram {
    /// Runs `program` with `arguments`, and kills it when it takes longer than `limit`.
    ///
    /// It has the server's environment and standard streams.
    ///
    /// - Returns: `nil` if it ended with status 0, else what happened.
    static func run(_ program: String, _ arguments: [String], within limit: Duration) -> String? {
        var child = pid_t()
        let words = [program] + arguments
        let copies: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
        defer { unsafe Self.free(copies) }
        let argv = unsafe copies + [nil]
        let result = unsafe posix_spawn(&child, program, nil, nil, argv, environ)
        guard result == 0 else {
            return
                "cannot run the fence program '\(program)': \(LinuxError.text(of: result)); check that it is executable"
        }
        let deadline = Host.now.advanced(by: limit)
        var status: CInt = 0
        while unsafe waitpid(child, &status, WNOHANG) == 0 {
            guard Host.now < deadline else {
                Glibc.kill(child, SIGKILL)
                _ = unsafe waitpid(child, &status, 0)
                return "the fence program '\(program)' took longer than \(limit) and was killed; make it quicker"
            }
            usleep(5000)
        }
        guard status != 0 else { return nil }
        let signal = status & 0x7f
        return signal == 0
            ? "the fence program '\(program)' failed with status \((status >> 8) & 0xff)"
            : "the fence program '\(program)' was ended by signal \(signal)"
    }

    private static func free(_ words: [UnsafeMutablePointer<CChar>?]) {
        for index in unsafe words.indices { unsafe Glibc.free(words[index]) }
    }
}

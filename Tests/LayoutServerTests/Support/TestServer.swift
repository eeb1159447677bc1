import LayoutServer
import Logging
import TestSupport

/// Starts a server on an empty directory, runs a test against it, and stops it.
func withServer(
    on fileSystem: TestFileSystem,
    recallTimeout: Duration = .seconds(10),
    fence: ServerConfiguration.FencePolicy = .wait,
    _ body: (LayoutServer, TestDirectory) async throws -> Void
) async throws {
    let directory = try fileSystem.makeDirectory()
    let sockets = try TestDirectory()
    var configuration = ServerConfiguration(
        exportPath: directory.path,
        addresses: [.unix(path: sockets.file("layoutd.sock")), .tcp(host: "127.0.0.1", port: 0)]
    )
    configuration.shutdownPatience = .milliseconds(500)
    configuration.logger.logLevel = .error
    configuration.recallTimeout = recallTimeout
    configuration.fence = fence
    let server = try await LayoutServer.start(configuration)
    do {
        try await body(server, directory)
    } catch {
        await server.stop()
        throw error
    }
    await server.stop()
}

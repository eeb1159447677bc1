// swift-tools-version: 6.3
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]
let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]

// The library for C carries the Swift runtime in itself, exports the functions of its header alone, and stays loaded: its
// signal handlers and threads would outlive a dlclose.
let layoutClientLinkerSettings: [LinkerSetting] = [
    .unsafeFlags([
        "-static-stdlib",
        "-Xlinker", "-soname=liblayoutclient.so.0",
        "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/LayoutClientC/layoutclient.map",
        "-Xlinker", "-z", "-Xlinker", "nodelete",
    ])
]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "layoutd",
    products: [
        .library(name: "LayoutClient", targets: ["LayoutClient"]),
        .library(name: "layoutclient", type: .dynamic, targets: ["LayoutClientC"]),
        .executable(name: "layoutd", targets: ["layoutd"]),
        .executable(name: "layoutd-keeper", targets: ["layoutd-keeper"]),
        .executable(name: "layoutctl", targets: ["layoutctl"]),
        .executable(name: "layout-bench", targets: ["layout-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // The pure core: no Foundation, no clock, no I/O.
        .target(name: "LayoutCore", swiftSettings: swiftSettings),
        .target(name: "Sessions", dependencies: ["LayoutCore", "Recovery"], swiftSettings: swiftSettings),
        .target(name: "LeaseEngine", dependencies: ["LayoutCore", "Recovery"], swiftSettings: swiftSettings),
        .target(name: "LayoutHolder", dependencies: ["LayoutCore"], swiftSettings: swiftSettings),
        // What outlives the server: values, and one store in memory.
        .target(name: "Recovery", dependencies: ["LayoutCore"], swiftSettings: swiftSettings),

        .target(
            name: "LayoutSimulation",
            dependencies: ["LayoutCore", "Recovery", "Sessions", "LeaseEngine", "LayoutHolder"],
            swiftSettings: swiftSettings
        ),

        // The protocol.
        .systemLibrary(name: "CTIRPC", pkgConfig: "libtirpc", providers: [.apt(["libtirpc-dev"])]),
        .target(name: "CLayoutXDR", dependencies: ["CTIRPC"], cSettings: cSettings),
        .target(
            name: "LayoutXDR",
            dependencies: ["LayoutCore", "CLayoutXDR", "CTIRPC", nioCore],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "ONCRPC",
            dependencies: ["CTIRPC", "CLinuxFiles", nioCore, nioPosix],
            swiftSettings: swiftSettings
        ),

        // Linux.
        .target(name: "CLinuxFiles", cSettings: cSettings),
        .target(name: "LinuxFiles", dependencies: ["LayoutCore", "CLinuxFiles"], swiftSettings: swiftSettings),
        .target(
            name: "SQLiteStore",
            dependencies: ["LayoutCore", "Recovery", "LinuxFiles", grdb],
            swiftSettings: swiftSettings
        ),
        .systemLibrary(name: "CPersistentMemory", pkgConfig: "libpmem", providers: [.apt(["libpmem-dev"])]),
        .target(name: "CMappedWindows", dependencies: ["CPersistentMemory"], cSettings: cSettings),
        .target(name: "MappedWindows", dependencies: ["LayoutCore", "CMappedWindows"], swiftSettings: swiftSettings),

        .target(name: "CMappingGuard", cSettings: cSettings),
        .target(
            name: "MappingGuard",
            dependencies: ["LayoutCore", "LinuxFiles", "CLinuxFiles", "CMappingGuard"],
            swiftSettings: swiftSettings
        ),
        .executableTarget(name: "layoutd-keeper", cSettings: cSettings),

        // The shells.
        .target(
            name: "LayoutServer",
            dependencies: [
                "LayoutCore", "Recovery", "Sessions", "LeaseEngine", "LayoutXDR", "ONCRPC", "LinuxFiles",
                "MappingGuard",
                nioCore, nioPosix, logging,
            ],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "LayoutClient",
            dependencies: [
                "LayoutCore", "Sessions", "LayoutHolder", "LayoutXDR", "ONCRPC", "LinuxFiles", "MappedWindows", nioCore,
                nioPosix,
            ],
            swiftSettings: swiftSettings
        ),
        // The client for C and whatever can call C: its header, and the functions in Swift.
        .target(name: "CLayoutClientABI", cSettings: cSettings),
        .target(
            name: "LayoutClientC",
            dependencies: ["CLayoutClientABI", "LayoutClient", "LinuxFiles"],
            exclude: ["install", "layoutclient.map", "layoutclient.pc.in"],
            swiftSettings: swiftSettings,
            linkerSettings: layoutClientLinkerSettings
        ),
        .executableTarget(
            name: "layoutd",
            dependencies: [
                "LayoutServer", "LayoutCore", "LinuxFiles", "MappingGuard", "ONCRPC", "Recovery", "SQLiteStore",
                argumentParser, lifecycle, unixSignals, logging,
            ],
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "layoutctl",
            dependencies: ["LayoutClient", "LayoutCore", "LayoutXDR", argumentParser],
            swiftSettings: swiftSettings
        ),

        .executableTarget(
            name: "layout-sim",
            dependencies: ["LayoutSimulation", argumentParser],
            swiftSettings: swiftSettings
        ),
        .target(name: "CBenchPeer", dependencies: ["CLayoutXDR", "CTIRPC"], cSettings: cSettings),
        .executableTarget(
            name: "layout-bench",
            dependencies: [
                "CBenchPeer", "LayoutClient", "LayoutCore", "LayoutXDR", "LeaseEngine", "LinuxFiles", "MappedWindows",
                "Sessions", nioCore, argumentParser,
            ],
            swiftSettings: swiftSettings
        ),

        // Examples.
        .executableTarget(
            name: "swift-client",
            dependencies: ["LayoutClient"],
            path: "Examples/swift-client",
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "quickstart-demo",
            dependencies: ["LayoutClient"],
            path: "Examples/quickstart-demo",
            swiftSettings: swiftSettings
        ),

        .executableTarget(name: "compactor", path: "Examples/compactor", cSettings: cSettings),

        // Tests.
        .target(
            name: "TestSupport",
            dependencies: ["LinuxFiles", "LayoutCore"],
            path: "Tests/TestSupport",
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "LayoutCoreTests", dependencies: ["LayoutCore"], swiftSettings: swiftSettings),
        .testTarget(name: "RecoveryTests", dependencies: ["Recovery", "LayoutCore"], swiftSettings: swiftSettings),
        .testTarget(
            name: "SessionsTests",
            dependencies: ["Sessions", "Recovery", "LayoutCore"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "LeaseEngineTests",
            dependencies: ["LeaseEngine", "Recovery", "LayoutCore"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "LayoutHolderTests",
            dependencies: ["LayoutHolder", "LayoutCore"],
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "SimulationTests", dependencies: ["LayoutSimulation"], swiftSettings: swiftSettings),
        .testTarget(name: "ExplorationTests", dependencies: ["LayoutSimulation"], swiftSettings: swiftSettings),
        .testTarget(
            name: "LayoutXDRTests",
            dependencies: ["LayoutXDR", "LayoutCore", "CLayoutXDR", nioCore],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "ONCRPCTests",
            dependencies: ["ONCRPC", nioCore, nioPosix, nioEmbedded],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "LinuxFilesTests",
            dependencies: ["LinuxFiles", "LayoutCore", "LayoutSimulation", "TestSupport"],
            swiftSettings: swiftSettings
        ),
        // A sequence of writes to the recovery store, and a program that writes it until it is killed.
        .target(
            name: "RecoveryScript",
            dependencies: ["LayoutCore", "LayoutSimulation", "Recovery"],
            path: "Tests/RecoveryScript",
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "store-writer",
            dependencies: ["RecoveryScript", "SQLiteStore"],
            path: "Tests/StoreWriter",
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SQLiteStoreTests",
            dependencies: [
                "SQLiteStore", "LayoutCore", "LayoutSimulation", "LinuxFiles", "Recovery", "RecoveryScript",
                "TestSupport", "store-writer",
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "MappedWindowsTests",
            dependencies: ["MappedWindows", "CMappedWindows", "LayoutCore", "TestSupport"],
            swiftSettings: swiftSettings
        ),
        .executableTarget(name: "guard-mutator", path: "Tests/GuardMutator", cSettings: cSettings),
        .executableTarget(
            name: "guard-peer",
            dependencies: ["MappingGuard", "LayoutCore", "LinuxFiles"],
            path: "Tests/GuardPeer",
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "MappingGuardTests",
            dependencies: [
                "MappingGuard", "LayoutCore", "LinuxFiles", "TestSupport", "compactor", "guard-mutator", "guard-peer",
                "layoutd-keeper",
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "LayoutServerTests",
            dependencies: [
                "LayoutServer", "LayoutCore", "LayoutXDR", "LinuxFiles", "ONCRPC", "Recovery", "Sessions",
                "TestSupport", nioCore, nioPosix, logging,
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "LayoutClientTests",
            dependencies: [
                "LayoutClient", "LayoutServer", "LayoutCore", "LayoutHolder", "LayoutXDR", "LinuxFiles",
                "MappedWindows", "ONCRPC", "TestSupport", nioCore, nioPosix, logging,
            ],
            swiftSettings: swiftSettings
        ),
        // Programs in C, compiled by the tests as strangers compile theirs.
        .testTarget(
            name: "LayoutClientCTests",
            dependencies: ["TestSupport", "layoutd"],
            exclude: ["Programs"],
            swiftSettings: swiftSettings
        ),
        .executableTarget(name: "test-holder", path: "Tests/Holder", cSettings: cSettings),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "LayoutClient", "LayoutServer", "LayoutCore", "LayoutXDR", "LeaseEngine", "LinuxFiles", "TestSupport",
                "layoutd", "layoutctl", "layoutd-keeper", "test-holder", "compactor", "guard-mutator", nioCore,
                logging,
            ],
            swiftSettings: swiftSettings
        ),
        // Stores and changes in a machine whose power is cut: see Tests/Machines.
        .executableTarget(
            name: "power-cut",
            dependencies: ["LayoutClient", "LayoutXDR"],
            path: "Tests/PowerCut",
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "TidyTests", swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6]
)

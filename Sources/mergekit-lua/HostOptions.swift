import ArgumentParser
import Checkpoints
import Glibc
import Logging
import Merging
import Scripting
import SystemPackage
import Tensors

/// Options that every command with a script host has.
struct HostOptions: ParsableArguments {
  @Option(help: "Worker threads. (default: all cores)")
  var threads: Int?

  @Option(help: "Of all random draws.")
  var seed: UInt64 = 42

  @Option(
    name: .customLong("stdlib"),
    help: ArgumentHelp("Use an edited copy of the standard library.", valueName: "dir"))
  var standardLibrary: String?

  @Option(help: ArgumentHelp("What a script and its expressions may take.", valueName: "size"))
  var memoryLimit: ByteCount = ByteCount(bytes: 256_000_000)

  @Option(help: ArgumentHelp("Lua instructions that a script may run.", visibility: .hidden))
  var instructionLimit: Int = 1_000_000_000

  @Option(help: ArgumentHelp("Elements of a tile.", visibility: .hidden))
  var tileSize: Int?

  @Flag(help: "Say nothing but warnings and errors.")
  var quiet = false

  @Flag(name: [.short, .long], help: "Say more.")
  var verbose = false

  func validate() throws {
    if let threads { try Self.check(threads: threads) }
    if let tileSize, tileSize < 1 {
      throw ValidationError("--tile-size: expected at least 1, got \(tileSize)")
    }
  }

  static func check(threads: Int) throws {
    guard (1...1024).contains(threads) else {
      throw ValidationError("--threads: expected 1 to 1024, got \(threads)")
    }
  }

  var logger: Logger { .make(level: quiet ? .warning : verbose ? .debug : .info) }

  func hostOptions() throws -> ScriptHost.Options {
    ScriptHost.Options(
      threads: threads ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))), seed: seed, tileSize: tileSize,
      limits: LuaLimits(memoryBytes: memoryLimit.bytes, instructions: instructionLimit),
      standardLibrary: try standardLibrary.map { try StandardLibrary(directory: $0) } ?? .embedded)
  }

  /// A host for scripts in `root`.
  func makeHost(root: String, options: ScriptHost.Options, progress: ProgressDisplay? = nil) throws
    -> ScriptHost
  {
    let logger = logger
    return try ScriptHost(
      root: root, options: options,
      messages: ScriptHost.Messages(
        warn: { logger.warning("\($0)") }, progress: { progress?.update($0, $1) }),
      interrupt: Signals.interrupt,
      onHang: { reason in
        Signals.giveUp(
          reason == .interrupted
            ? "interrupted" : "script hangs in a library function of Lua, such as a pattern that never ends")
      })
  }
}

/// A size in bytes: `5GB`, `500M`, `1GiB`.
struct ByteCount: ExpressibleByArgument {
  var bytes: Int

  init(bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    guard let bytes = try? ByteSize.parse(argument) else { return nil }
    self.bytes = bytes
  }

  var defaultValueDescription: String {
    bytes % (1 << 20) == 0 ? "\(bytes >> 20)MiB" : ByteSize.format(bytes)
  }
}

extension DType: ExpressibleByArgument {
  package init?(argument: String) {
    guard let dtype = DType(name: argument), dtype.isArithmetic else { return nil }
    self = dtype
  }

  package static var allValueStrings: [String] { DType.allCases.filter(\.isArithmetic).map(\.torchName) }

  /// None: the names say it.
  package static var allValueDescriptions: [String: String] { [:] }

  package var defaultValueDescription: String { torchName }
}

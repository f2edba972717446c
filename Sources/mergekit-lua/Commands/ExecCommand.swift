import ArgumentParser
import Scripting
import SystemPackage

/// `mergekit-lua exec FILE`: runs a script that writes no model.
struct ExecCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exec", abstract: "Run a script for what it prints; it writes nothing.")

  @Argument(help: "The script in Lua.", completion: .file(extensions: ["lua"]))
  var file: String

  @OptionGroup var host: HostOptions

  func run() throws { try ScriptHost.make(for: file, host).execute(path: file) }
}

/// `mergekit-lua test FILE`: runs the tests that a file returns.
struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test", abstract: "Run the tests of a script: the functions in the table that it returns.")

  @Argument(help: "The tests in Lua.", completion: .file(extensions: ["lua"]))
  var file: String

  @OptionGroup var host: HostOptions

  func run() throws {
    var (count, failed) = (0, 0)
    try ScriptHost.make(for: file, host).test(path: file) { name, failure in
      count += 1
      if failure != nil { failed += 1 }
      print(failure.map { "FAILED \(name): \($0)" } ?? "ok \(name)")
    }
    guard count > 0 else { throw TestFailure(description: "\(file) has no tests") }
    guard failed == 0 else {
      throw TestFailure(description: "\(failed) of \(Numbers.counted(count, "test")) failed")
    }
    print("\(Numbers.counted(count, "test")) passed")
  }
}

/// Why a run of tests ends with a status other than 0.
private struct TestFailure: Error, CustomStringConvertible {
  let description: String
}

extension ScriptHost {
  /// A host for a script that writes nothing.
  fileprivate static func make(for file: String, _ options: HostOptions) throws -> ScriptHost {
    let log = EventLog(options.log.logger)
    return try make(
      root: FilePath(file).removingLastComponent().string, options: options.hostOptions(), report: log.report)
  }
}

import ArgumentParser
import Glibc
import Merging
import Scripting

@main
struct MergekitLua: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mergekit-lua",
    abstract: "Merges language models by recipes in Lua.",
    usage: """
      mergekit-lua [run] FILE OUT [options]
      mergekit-lua inspect MODEL [--stats] [--json]
      mergekit-lua methods [NAME [--source]]
      """,
    version: "0.1.0",
    subcommands: [RunCommand.self, InspectCommand.self, MethodsCommand.self],
    defaultSubcommand: RunCommand.self)

  /// Errors of usage exit with 2, all others with 1; messages go to standard error.
  static func main() {
    Signals.watch()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let code = exitCode(for: error)
      if code == .success {
        print(fullMessage(for: error))
        Glibc.exit(0)
      }
      let isUsage = code == .validationFailure
      Terminal.clearProgress()
      Terminal.error(isUsage ? fullMessage(for: error) : "error: \(error)")
      OutputDirectory.discardAll()
      Glibc.exit(isUsage ? 2 : 1)
    }
    Glibc.exit(0)
  }
}

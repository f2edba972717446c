import ArgumentParser
import Basics
import Glibc
import Lua
import Merging
import Scripting
import SystemPackage

@main
struct MergekitLua: ParsableCommand {
  static let version = "0.1.0"
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-lua",
    abstract: "Merges language models by recipes in Lua, or by configs of mergekit.",
    usage: """
      mergekit-lua [run] FILE OUT [options]
      mergekit-lua translate CONFIG [-o FILE]
      mergekit-lua convert MODEL OUT [options]
      mergekit-lua extract-lora --model MODEL --base-model MODEL OUT [options]
      mergekit-lua inspect MODEL [--stats] [--json]
      mergekit-lua methods [NAME [--source]]
      mergekit-lua exec FILE
      mergekit-lua test FILE
      """,
    version: Self.version,
    subcommands: [
      RunCommand.self, TranslateCommand.self, ConvertCommand.self, ExtractLoRACommand.self,
      InspectCommand.self,
      MethodsCommand.self, ExecCommand.self, TestCommand.self,
    ],
    defaultSubcommand: RunCommand.self)

  /// Commands of mergekit, whose place the program takes under their names.
  private static let dropIns: [any ParsableCommand.Type] = [
    MergekitYaml.self, MergekitMega.self, MergekitMulti.self, MergekitMoe.self, MergekitPyTorch.self,
    MergekitLayerShuffle.self, MergekitLegacy.self, Bakllama.self, MergekitExtractLora.self,
  ]

  static func main() {
    if let problem = StackLimit.raise() {
      Terminal.error("error: \(problem)")
      Glibc.exit(1)
    }
    Signals.watch()
    let name = CommandLine.arguments.first.flatMap { FilePath($0).lastComponent?.string }
    runToExit(dropIns.first { $0.configuration.commandName == name } ?? MergekitLua.self)
  }

  /// Errors of usage exit with 2, interruptions with 128 and the signal's number, all others with 1; messages go
  /// to standard error.
  private static func runToExit(_ root: any ParsableCommand.Type) -> Never {
    do {
      var command = try root.parseAsRoot()
      try command.run()
    } catch {
      let code = root.exitCode(for: error)
      if code == .success {
        print(root.fullMessage(for: error))
        exitWithOutput()
      }
      let isUsage = code == .validationFailure
      Terminal.clearProgress()
      switch (isUsage, Terminal.format) {
      case (true, .text): Terminal.error(root.fullMessage(for: error))
      case (true, .json): Terminal.report(Diagnostic(.foreign(root.message(for: error))))
      case (false, _): Terminal.report(Diagnostic(error))
      }
      OutputDirectory.discardAll()
      Glibc.exit(isUsage ? 2 : Signals.exitCode ?? 1)
    }
    exitWithOutput()
  }

  /// Ends the process well, unless what was printed could not be written.
  private static func exitWithOutput() -> Never {
    if let reason = StandardOutput.flush() {
      Terminal.report(Diagnostic("cannot write to standard output: \(reason)"))
      Glibc._exit(1)
    }
    Glibc.exit(0)
  }
}

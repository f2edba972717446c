import Basics
import Lua
import Merging
import Scripting
import SystemPackage

/// Extracts an adapter by a recipe made of options, and prints how well it says the difference.
struct Extraction {
  let options: ExtractionOptions
  /// Where the adapter goes; `nil` for a plan that is printed.
  let out: String?
  let host: HostOptions
  let output: OutputOptions

  func run() throws {
    let logger = host.log.logger
    if let out {
      for notice in try OutputDirectory.settleInterruptedRuns(at: FilePath(out)) {
        Terminal.report(Diagnostic(.foreign(notice)), .warning)
      }
      // Models are compared for long; what is wrong with OUT is said before.
      try OutputDirectory(path: FilePath(out), policy: output.policy).discard()
    }
    let log = EventLog(logger)
    let progress = ProgressDisplay(isEnabled: !host.log.isQuiet, patience: host.progressAfter)
    var hostOptions = try host.hostOptions()
    hostOptions.output = output
    let scripts = try ScriptHost.make(root: "", options: hostOptions) { event in
      progress.report(event)
      log.report(event)
    }
    let adapter = try scripts.model(ofRecipe: options.recipe, name: "extract-lora")
    guard let out else {
      let (plan, reads) = try scripts.plan(adapter)
      return print(PlanReport.text([PlanReport(plan: plan, out: nil)], reads: reads))
    }
    try scripts.write(adapter, to: out)
    guard !host.log.isQuiet else { return }
    let modules = try scripts.evaluate(
      options.measurement(of: out), name: "extract-lora", ExtractionReport.read)
    print(ExtractionReport(modules).text)
  }
}

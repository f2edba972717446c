import Foundation
import PackagePlugin

/// Embeds the Lua files of `stdlib/` in the target, and again when one of them changes.
///
/// SwiftPM keeps a plan for as long as Package.swift and the sources' names stay as they are. So the folders
/// are inputs too, or new files would not be seen; a file that is gone is an error until Package.swift is
/// touched, which `scripts/prepare` does.
@main
struct EmbedStdlib: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
    let folder = context.package.directoryURL.appending(path: "stdlib").resolvingSymlinksInPath()
    let entries = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
    let inputs = entries.filter { $0.hasSuffix(".lua") || !$0.contains(".") }.map {
      folder.appending(path: $0)
    }
    let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedStandardLibrary.swift")
    return [
      .buildCommand(
        displayName: "Embedding stdlib",
        executable: try context.tool(named: "embed-stdlib").url,
        arguments: [output.path, folder.path],
        inputFiles: [folder] + inputs, outputFiles: [output])
    ]
  }
}

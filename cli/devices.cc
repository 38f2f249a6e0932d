// octile devices, octile retime, octile completion.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "plan_table.h"
#include "session.h"

namespace octile::cli {
namespace {

/// OCTILE_FORCE_ISA, "" when it is not set. main.cc has refused invalid ones.
std::string forced_isa() {
  const char* forced = std::getenv("OCTILE_FORCE_ISA");
  return forced == nullptr ? "" : forced;
}

void show_devices(bool as_json) {
  const std::string forced = forced_isa();
  bool any_gpu = false;
  nlohmann::json list = nlohmann::json::array();
  for (const DeviceInfo& device : devices()) {
    if (as_json) {
      list.push_back({{"backend", device.backend},
                      {"id", device.id},
                      {"name", device.name},
                      {"cores", device.cores},
                      {"memory_bytes", device.memory_bytes},
                      {"compiled", device.compiled},
                      {"usable", device.usable},
                      {"refused", device.refused},
                      {"forced", forced.empty() ? nlohmann::json() : nlohmann::json(forced)}});
      continue;
    }
    const bool gpu = device.backend != "cpu";
    any_gpu |= gpu;
    const std::string size =
        !gpu ? fmt::format(", {} cores", device.cores)
        : device.id.empty()
            ? ""
            : fmt::format(", {} multiprocessors, {} MiB", device.cores, device.memory_bytes >> 20);
    fmt::print("{}: {}{}\n  compiled: {}\n  usable: {}\n",
               device.id.empty() ? device.backend : device.id, device.name, size,
               join(device.compiled, ", "), join(device.usable, ", "));
    for (const std::string& reason : device.refused) fmt::print("  refused: {}\n", reason);
    if (!forced.empty()) fmt::print("  forced: {} at most (OCTILE_FORCE_ISA)\n", forced);
  }
  if (as_json) {
    fmt::print("{}\n", list.dump(2));
  } else if (!any_gpu) {
    fmt::print("cuda: not compiled in; no GPU is used\n");
  }
}

struct RetimeFlags {
  std::string file, output, timing_cache, isa;
};

void run_retime(const Session& session, const RetimeFlags& flags) {
  BuildOptions options;
  options.timing_cache = flags.timing_cache;
  options.device = session.device;
  options.threads = session.threads;
  if (!flags.isa.empty()) options.isa = isa_from_name(flags.isa);
  options.progress = session.progress();
  options.log = session.log();
  const std::string output = flags.output.empty() ? flags.file : flags.output;
  check_writable("--timing-cache", flags.timing_cache);
  const Plan old = Plan::load(flags.file);
  check_writable("-o", output);
  const Plan plan = retime(old, options);
  plan.save(output);
  if (session.verbosity > 0) fmt::print(stderr, "{}", plan_table(plan));
  fmt::print("{}: tactics chosen anew, built on {}\n", output, plan.built_on());
}

constexpr const char* kBash = R"(# bash completion for octile
_octile() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "@COMMANDS@ --help --version" -- "$word")); return
  fi
  case $command in
@CASES@
  esac
  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$word"))
  else COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _octile octile
)";

constexpr const char* kFish = "complete -c octile -n '__fish_use_subcommand' -f -a '@COMMANDS@'\n";

std::string replace(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// Names come from the commands themselves, so that completion never falls behind.
std::string completion(const CLI::App& app, const std::string& shell) {
  std::string commands, cases, fish;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    std::string options;
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        options += " --" + name;
        fish += fmt::format("complete -c octile -n '__fish_seen_subcommand_from {}' -l {}\n",
                            command->get_name(), name);
      }
    }
    cases +=
        fmt::format("    {}) local options=\"{}\" ;;\n", command->get_name(), options.substr(1));
  }
  if (shell == "fish") return replace(kFish, "@COMMANDS@", commands) + fish;
  const std::string bash = replace(replace(kBash, "@COMMANDS@", commands), "@CASES@\n", cases);
  return shell == "bash" ? bash : "autoload -U +X bashcompinit && bashcompinit\n" + bash;
}

}  // namespace

void add_devices(CLI::App& app, Session&) {
  CLI::App* command = app.add_subcommand(
      "devices", "List instruction sets and GPUs: compiled in, usable here, who refuses and why");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "JSON instead of text");
  command->callback([json] { show_devices(*json); });
}

void add_retime(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "retime",
      "Choose a plan's tactics anew by timing on this machine; results stay the same.\n"
      "Example: octile retime model.plan");
  auto flags = std::make_shared<RetimeFlags>();
  command->add_option("plan", flags->file, "The plan")->required();
  command->add_option("-o,--output", flags->output, "Where to write (default: in place)");
  command->add_option("--timing-cache", flags->timing_cache, "File of measured tactic times");
  command->add_option("--isa", flags->isa, "Strongest instruction set to use")->check(isa_names());
  command->callback([&session, flags] { run_retime(session, *flags); });
}

void add_completion(CLI::App& app, Session&) {
  CLI::App* command = app.add_subcommand(
      "completion", "Print a shell completion script.\nExample: source <(octile completion bash)");
  auto shell = std::make_shared<std::string>("bash");
  command->add_option("shell", *shell, "bash, zsh or fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, shell] { fmt::print("{}", completion(app, *shell)); });
}

}  // namespace octile::cli

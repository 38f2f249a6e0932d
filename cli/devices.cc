// octile devices, octile retime, octile completion.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "plan_table.h"
#include "session.h"

namespace octile::cli {
namespace {

void show_devices(bool as_json) {
  nlohmann::json list = nlohmann::json::array();
  for (const DeviceInfo& device : devices()) {
    if (as_json) {
      list.push_back({{"backend", device.backend},
                      {"name", device.name},
                      {"cores", device.cores},
                      {"compiled", device.compiled},
                      {"usable", device.usable},
                      {"refused", device.refused}});
      continue;
    }
    fmt::print("{}: {}, {} cores\n  compiled: {}\n  usable: {}\n", device.backend, device.name,
               device.cores, join(device.compiled, ", "), join(device.usable, ", "));
    for (const std::string& reason : device.refused) fmt::print("  refused: {}\n", reason);
  }
  if (as_json) {
    fmt::print("{}\n", list.dump(2));
  } else {
    fmt::print("cuda: not compiled in; no GPU is used\n");
  }
}

struct RetimeFlags {
  std::string file, output, timing_cache, isa;
};

void run_retime(const Session& session, const RetimeFlags& flags) {
  BuildOptions options;
  options.timing_cache = flags.timing_cache;
  options.threads = session.threads;
  if (!flags.isa.empty()) options.isa = isa_from_name(flags.isa);
  options.progress = session.progress();
  options.log = session.log();
  const Plan plan = retime(Plan::load(flags.file), options);
  const std::string output = flags.output.empty() ? flags.file : flags.output;
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

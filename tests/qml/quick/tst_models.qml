// SPDX-License-Identifier: MIT
import QtQuick
import QtTest
import GoProcess

TestCase {
    id: testCase

    name: "Models"

    Component {
        id: scenes

        Item {
            property alias app: app
            property alias storage: storage
            property alias model: processModel
            property alias monitor: closeMonitor
            property alias rows: rows

            Process {
                id: app

                name: "app"

                Process {
                    id: storage

                    property var resolve

                    name: "storage"
                    teardown: () => new Promise(resolve => storage.resolve = resolve)
                }
            }
            ProcessModel {
                id: processModel

                process: app
            }
            CloseMonitor {
                id: closeMonitor

                process: app
            }
            Repeater {
                id: rows

                model: processModel

                Item {
                    required property string name
                    required property string path
                    required property int state
                    required property date since
                    required property string thread
                    required property string error
                    required property list<string> waitsFor
                }
            }
        }
    }

    function test_rowsFollow() {
        const scene = createTemporaryObject(scenes, testCase);
        tryCompare(scene.rows, "count", 1);
        const row = scene.rows.itemAt(0);
        compare(row.name, "storage");
        compare(row.path, "/app/storage");
        compare(row.thread, "main");
        compare(row.error, "");
        compare(row.waitsFor.length, 0);
        verify(row.since <= new Date());
        scene.app.close();
        tryVerify(() => scene.storage.resolve !== undefined);
        scene.storage.resolve("disk full");
        tryCompare(row, "error", "disk full");
        tryCompare(scene.app, "state", Process.Closed);
    }

    function test_monitorCounts() {
        const scene = createTemporaryObject(scenes, testCase);
        compare(scene.monitor.total, 0);
        compare(scene.monitor.progress, 0);
        scene.app.close();
        tryVerify(() => scene.storage.resolve !== undefined);
        tryCompare(scene.monitor, "total", 2);
        tryVerify(() => scene.monitor.remaining.includes("/app/storage"));
        scene.storage.resolve();
        tryCompare(scene.monitor, "progress", 1);
        compare(scene.monitor.closed, 2);
        compare(scene.monitor.remaining.length, 0);
        verify(scene.monitor.elapsed >= 0);
    }
}
